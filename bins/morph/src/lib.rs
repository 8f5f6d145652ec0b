//! Builds systems, and deploys them as cluster files say. The work is done by extensions, which are separate programs.
//!
//! A cluster file and a request become a [`plan`], which is a value. Then all files that the plan needs are found (`prepared`), and each
//! deployment is made (`deployer`). Artifacts are built from system definitions (`builder`) and never modified.

mod artifacts;
mod builder;
pub mod cluster;
mod commands;
pub mod definition;
mod deployer;
mod document;
mod extensions;
mod inputs;
mod nearest;
mod output;
pub mod parameters;
pub mod plan;
mod prepared;
mod record;
mod repository;
pub mod request;
mod revision;
mod runner;
mod scalars;
mod settings;
mod together;
mod workspace;

pub use commands::Arguments;
