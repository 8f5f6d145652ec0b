//! Power cuts, at every write: an operation is done on a disk that records what is written to it and when it is flushed; then the disk is
//! rebuilt as it was at each moment, and read as the next boot reads it.

pub mod check;
pub mod content;
pub mod disk;
pub mod log;
pub mod point;
pub mod recording;
pub mod run;
pub mod shape;
