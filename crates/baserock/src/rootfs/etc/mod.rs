//! `/etc` on the disk: reads it into the values of [`crate::etc`], and writes a planned one and puts it in place in one step.

mod dangling;
pub mod merge;
pub mod pending;
pub mod reown;
pub mod scan;
pub mod staged;
mod stored;

pub use merge::{Inputs, Outcome, Request, merge};
