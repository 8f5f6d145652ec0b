//! What extlinux cannot read of btrfs, said with the numbers before somebody reboots into it.

use system::btrfs;
use system::error::Result;

use crate::volume::{Kind, Volume};

/// Chunks that extlinux reads at most.
const MOST_CHUNKS: u64 = 256;
/// A chunk of data has this size on all but small filesystems, bytes.
const CHUNK: u64 = 1 << 30;
/// What extlinux leaves at the top of the btrfs that it starts from; the loader itself lies in the reserved first 64 KiB.
const LOADER: &str = "ldlinux.c32";

/// What keeps the volume's extlinux from starting anything; empty where all is well, or something else boots the machine.
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

/// What extlinux will not read of a new volume of this size (bytes) once it is filled.
pub fn of_size(size: u64) -> Option<String> {
    (size > MOST_CHUNKS * CHUNK).then(|| {
        format!(
            "the volume has {} GiB, and extlinux reads at most {MOST_CHUNKS} chunks of 1 GiB: once more is allocated it cannot boot; \
             give /boot a partition of its own",
            size >> 30
        )
    })
}
