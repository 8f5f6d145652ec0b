//! Extensions that configure a root filesystem before it is written. An extension does nothing if its parameters are not set.

pub mod config_files;
pub mod fstab;
pub mod hostname;
mod inittab;
pub mod install_files;
mod manifest;
mod network;
mod resolv;
pub mod simple_network;
pub mod ssh_keys;
mod template;
pub mod tools;
mod tree;
mod units;
