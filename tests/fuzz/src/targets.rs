//! A target a file.

pub mod apply;
pub mod archive;
pub mod chains;
pub mod cluster;
pub mod disk;
pub mod etc;
pub mod forms;
pub mod fstab;
pub mod gzip;
pub mod images;
pub mod manifest;
pub mod menu;
pub mod merge;
pub mod mountinfo;
pub mod netrc;
pub mod proxies;
pub mod recipe;
pub mod records;
pub mod repository;
pub mod signatures;
pub mod stream;
pub mod sums;
