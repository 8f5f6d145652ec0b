//! `/etc` on the disk: read into the values of [`crate::etc`], and a planned one written and put in its place in one step.

pub mod merge;
pub mod pending;
pub mod reown;
pub mod scan;
pub mod staged;
mod stored;

pub use merge::{Inputs, Outcome, Request, merge};
