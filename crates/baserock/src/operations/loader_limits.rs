//! The limits of extlinux on btrfs. The user has to hear of them before rebooting.

use system::btrfs;
use system::error::Result;

use crate::volume::{Kind, Volume};

/// The most chunks that extlinux reads.
const MOST_CHUNKS: u64 = 256;
/// The size of a chunk of data in bytes, on all but small filesystems.
const CHUNK: u64 = 1 << 30;
/// The file at the top of a btrfs that shows that extlinux is installed. The loader itself is in the reserved first 64 KiB.
const LOADER: &str = "ldlinux.c32";

/// The reasons why the volume's extlinux cannot start anything. There are none if all is well, or if extlinux is not on this volume.
pub fn exceeded(volume: &Volume) -> Result<Vec<String>> {
    let boot = volume.boot();
    if boot.kind() != Kind::Volume || !boot.dir().has(LOADER)? || !btrfs::is_btrfs(boot.dir())? {
        return Ok(Vec::new());
    }
    let spread = btrfs::spread(boot.dir())?;
    let mut limits = Vec::new();
    if spread.chunks > MOST_CHUNKS {
        limits.push(format!(
            "the volume has {} chunks allocated, and extlinux reads at most {MOST_CHUNKS}, so it cannot boot from it; \
             run btrfs balance start -dusage=50 on it, or give /boot a partition of its own",
            spread.chunks
        ));
    }
    if spread.devices > 1 || spread.is_raid {
        let raid = if spread.is_raid { " with raid" } else { "" };
        limits.push(format!(
            "the volume lies on {} devices{raid}, and extlinux reads one, so it cannot boot from it; \
             give /boot a partition of its own",
            spread.devices
        ));
    }
    Ok(limits)
}

/// A warning for a new volume of this size (bytes), if extlinux cannot read it once it is filled.
pub fn of_size(size: u64) -> Option<String> {
    (size > MOST_CHUNKS * CHUNK).then(|| {
        format!(
            "the volume has {} GiB, and extlinux reads at most {MOST_CHUNKS} chunks of 1 GiB: once more is allocated it cannot boot; \
             give /boot a partition of its own",
            size >> 30
        )
    })
}
