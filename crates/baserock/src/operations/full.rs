//! What to say when a volume is full: how full, and what can go.

use system::btrfs;
use system::error::{Error, Result};

use crate::label::Label;
use crate::volume::{Version, Volume};

/// Adds numbers and a remedy to an error that says that there is no space left.
pub fn explain<T>(volume: &Volume, outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(error) if error.is_no_space() => {
            Err(Error::refused(format!("{error}; {}; {}", numbers(volume)?, remedy(volume)?)))
        }
        outcome => outcome,
    }
}

fn numbers(volume: &Volume) -> Result<String> {
    let space = btrfs::space(volume.top())?;
    Ok(format!(
        "{} of {} MiB are free for data, {} MiB for metadata",
        space.available >> 20,
        space.total >> 20,
        space.metadata_free >> 20
    ))
}

/// What to do for more space: the versions that can go.
pub fn remedy(volume: &Volume) -> Result<String> {
    let versions = volume.versions()?;
    let can_go =
        |version: &&Version| !version.running && !version.default && version.label != Label::factory();
    let labels: Vec<&str> = versions.iter().filter(can_go).map(|version| version.label.as_str()).collect();
    Ok(match labels.as_slice() {
        [] => "no version can be removed: delete files from /state, or enlarge the volume".to_owned(),
        labels => {
            format!("remove a version with system-version-manager remove LABEL ({})", labels.join(", "))
        }
    })
}
