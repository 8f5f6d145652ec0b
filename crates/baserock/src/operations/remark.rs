//! Records what people say about a version: that it is pinned, and a note.

use system::atomic;
use system::btrfs;
use system::error::Result;
use system::observer::Observer;

use super::{ballast, full, repair};
use crate::label::ExistingLabel;
use crate::layout::REMARKS;
use crate::remarks::{Remarks, check_note};
use crate::volume::Volume;

/// Pins the version, so that nothing removes it, or unpins it. When this returns, it is so on the disk.
pub fn pin(volume: &Volume, label: &ExistingLabel, pinned: bool, observer: &dyn Observer) -> Result<()> {
    let change = |before: Remarks| Remarks { pinned, ..before };
    full::explain(volume, None, attempt(volume, label, &change, observer))
}

/// Writes a note beside the version, in the place of the one before. An empty note removes it.
pub fn note(volume: &Volume, label: &ExistingLabel, text: &str, observer: &dyn Observer) -> Result<()> {
    check_note(text)?;
    let change = |before: Remarks| Remarks { note: text.to_owned(), ..before };
    full::explain(volume, None, attempt(volume, label, &change, observer))
}

fn attempt(
    volume: &Volume,
    label: &ExistingLabel,
    change: &dyn Fn(Remarks) -> Remarks,
    observer: &dyn Observer,
) -> Result<()> {
    let survey = volume.survey()?;
    survey.require(volume, label)?;
    let before = volume.remarks(label)?;
    repair::repair(volume, &survey, observer)?;
    let after = change(before.clone());
    if after == before {
        return Ok(());
    }
    let version = volume.version_dir(label)?;
    ballast::with_release(volume, || atomic::write(&version, REMARKS, 0o644, &after.render()))?;
    btrfs::commit(volume.top())
}
