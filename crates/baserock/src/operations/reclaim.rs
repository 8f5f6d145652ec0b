//! Frees space that no version uses, but that btrfs does not free by itself: a version uses a part of an extent, and btrfs frees only whole ones.
//!
//! A version that was pushed shares blocks with the version that it was made from. When the latter is removed, most of its extents are free,
//! but those of which the new version has a block.

use system::btrfs;
use system::error::Result;
use system::extents::{self, Usage};
use system::observer::Observer;

use crate::layout::PRIVATE;
use crate::volume::Volume;

/// One part in this many of what the versions take may stay unused. Less would cost more writing than it gives.
const TOLERATED: u64 = 20;

/// Rewrites extents that are mostly unused. No content changes; a crash at any moment leaves a valid state, and the next removal goes on.
pub fn reclaim(volume: &Volume, observer: &dyn Observer) -> Result<()> {
    if !btrfs::is_btrfs(volume.top())? {
        return Ok(());
    }
    let mut subvolumes = Vec::new();
    for version in volume.versions()? {
        let found = volume.subvolumes(&version.label)?.into_iter();
        subvolumes.extend(found.filter(|found| !found.is_nested).map(|found| found.dir));
    }
    let mut usage = extents::usage(&subvolumes)?;
    if excess(&usage) == 0 {
        return Ok(());
    }
    usage.leave_shared(volume.top())?;
    if excess(&usage) == 0 {
        return Ok(());
    }
    observer.phase("freeing space that was shared with other versions");
    usage.rewrite(&volume.top().ensure_dir(PRIVATE, 0o700)?, tolerated(&usage))?;
    let mut left = extents::usage(&subvolumes)?;
    left.leave_shared(volume.top())?;
    if excess(&left) > 0 {
        observer.note(format!(
            "{} MiB that no version uses are not free yet: the disk was too full, or files changed meanwhile; the next removal tries again",
            left.amount().unused >> 20
        ));
    }
    Ok(())
}

fn tolerated(usage: &Usage<'_>) -> u64 {
    let amount = usage.amount();
    (amount.stored - amount.unused) / TOLERATED
}

/// Unused bytes beyond what is tolerated.
fn excess(usage: &Usage<'_>) -> u64 {
    usage.amount().unused.saturating_sub(tolerated(usage))
}
