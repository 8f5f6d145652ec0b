//! Root filesystems as opened directories: finds their boot files, and reads, merges and replaces their `/etc`. Nothing here knows volumes.

pub mod etc;
pub mod kernel;
