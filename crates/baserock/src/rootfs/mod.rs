//! Root filesystems as opened directories: what they boot with, and their `/etc` read, merged and replaced. Nothing here knows a volume.

pub mod etc;
pub mod kernel;
