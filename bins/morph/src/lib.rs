//! Builds systems, and deploys them as cluster files say.
#![allow(dead_code)]
mod cluster;
mod definition;
mod document;
mod nearest;
mod parameters;
mod plan;
mod request;
