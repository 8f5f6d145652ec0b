//! How much room a full filesystem has.

/// The room on a full filesystem, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The volume.
    Volume {
        /// Free for data.
        free: u64,
        /// For data in all.
        total: u64,
        /// Free for metadata.
        metadata: u64,
    },
    /// The boot filesystem, which is another one.
    Boot {
        /// Free.
        free: u64,
        /// In all.
        total: u64,
    },
    /// The boot filesystem is a FAT that is not mounted.
    Fat,
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Room::Volume { free, total, metadata } => {
                write!(f, "{free} of {total} MiB are free for data, {metadata} MiB for metadata")
            }
            Room::Boot { free, total } => write!(f, "{free} of {total} MiB are free on /boot"),
            Room::Fat => f.write_str("the FAT of /boot is full"),
        }
    }
}
