//! Root filesystems as opened directories: finds their boot files, their package databases and
//! the places of shared directories, and reads, merges and replaces their `/etc`. Nothing here knows volumes.

pub mod architecture;
pub mod databases;
pub mod deployment;
pub mod etc;
pub mod init;
pub mod kernel;
pub mod packages;
pub mod settings;
pub mod shared;
