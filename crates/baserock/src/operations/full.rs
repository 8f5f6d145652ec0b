//! Explains errors of a full volume: how full it is, and which versions could be removed.

use system::btrfs;
use system::error::{Error, Result};

use crate::label::ExistingLabel;
use crate::refusal::Refusal;
use crate::volume::{Version, Volume};

/// Adds to an error for lack of space how much is free, and which versions could be removed.
pub fn explain<T>(volume: &Volume, outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(cause) if cause.is_no_space() => Err(full(volume, cause)?.into()),
        outcome => outcome,
    }
}

fn full(volume: &Volume, cause: Error) -> Result<Refusal> {
    let space = btrfs::space(volume.top())?;
    Ok(Refusal::Full {
        cause: Box::new(cause),
        free: space.available >> 20,
        total: space.total >> 20,
        metadata: space.metadata_free >> 20,
        volume: volume.name().to_owned(),
        removable: removable(volume)?,
    })
}

/// The versions that can be removed to make room.
pub fn removable(volume: &Volume) -> Result<Vec<ExistingLabel>> {
    let can_go =
        |version: &Version| !version.running && !version.default && version.label != ExistingLabel::factory();
    Ok(volume.versions()?.into_iter().filter(can_go).map(|version| version.label).collect())
}
