//! Checks that there is room before anything is written.

use std::collections::HashMap;

use delta::hash::Hash;
use delta::plan::{Plan, Wanted};
use system::btrfs;
use system::error::Result;

use crate::label::ExistingLabel;
use crate::operations::full;
use crate::refusal::Refusal;
use crate::volume::Volume;

/// The space that stays free on the volume.
struct Reserve {
    bytes: u64,
    /// This part of the volume, if that is more: 20 means a twentieth.
    part: Option<u64>,
}

/// Bytes of metadata for one name. The estimate is generous, because btrfs writes metadata twice.
const PER_NAME: u64 = 2048;
const SECTOR: u64 = 4096;

/// On a disk without a running system: 64 MiB for menus, for the next merge of `/etc`, and for the needs of btrfs when it deletes.
const OFFLINE: Reserve = Reserve { bytes: 64 << 20, part: None };
/// On the disk of a running system, whose programs go on writing: 512 MiB, or a twentieth of the volume if that is more.
const RUNNING: Reserve = Reserve { bytes: 512 << 20, part: Some(20) };

/// Fails if there is no room for the plan, and names the versions that could be removed. `have` is the number of bytes of each content that
/// are there already.
pub fn check(volume: &Volume, label: &ExistingLabel, plan: &Plan, have: &HashMap<Hash, u64>) -> Result<()> {
    let there = |wanted: &Wanted| have.get(&wanted.hash).copied().unwrap_or(0);
    let missing = |wanted: &Wanted| wanted.size.saturating_sub(there(wanted)).next_multiple_of(SECTOR);
    let contents: u64 = plan.wanted.iter().map(missing).fold(0, u64::saturating_add);
    let names = (plan.make.len() + plan.metadata.len() + plan.remove.len() + plan.wanted.len()) as u64;
    let needed = contents.saturating_add(names * PER_NAME);
    let space = btrfs::space(volume.top())?;
    let reserve = if volume.running().is_some() { RUNNING } else { OFFLINE };
    let kept = reserve.bytes.max(reserve.part.map_or(0, |part| space.total / part));
    if needed.saturating_add(kept) <= space.available {
        return Ok(());
    }
    let (removable, large) = full::advice(volume, label)?;
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Refusal::NoRoom {
        label: label.clone(),
        volume: volume.name().to_owned(),
        needed: megabytes(needed),
        available: megabytes(space.available),
        kept: megabytes(kept),
        removable,
        large,
    }
    .into())
}
