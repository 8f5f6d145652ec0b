//! The versions on a volume, and whether they are complete.

use serde::Serialize;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result};
use system::inode;

use super::Volume;
use crate::boot::BootRecord;
use crate::json::Format;
use crate::label::ExistingLabel;
use crate::layout::{self, BOOT_RECORD, INCOMPLETE, INITRAMFS, KERNEL, MERGING, ORIG, RUN, SYSTEMS};
use crate::rootfs::etc::pending;

/// A version on a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its label.
    pub label: ExistingLabel,
    /// Whether it is the running one.
    pub running: bool,
    /// Whether it is the one that boots next.
    pub default: bool,
    /// The reason why it is not complete; `None` if it is complete.
    pub missing: Option<String>,
    /// The version whose `/etc` has changed since it was merged into this one. [`Volume::versions`] leaves it empty, because it takes a look at
    /// all of `/etc` ([`Volume::late_changes`]).
    pub changed_since: Option<ExistingLabel>,
    /// How its trial stands, in words; `None` if it has none. [`Volume::versions`] leaves it empty.
    pub trial: Option<String>,
}

impl Format for Version {}

impl Version {
    /// Whether it can be booted and chosen.
    pub fn is_complete(&self) -> bool {
        self.missing.is_none()
    }
}

pub(super) fn all(volume: &Volume, default: Option<&ExistingLabel>) -> Result<Vec<Version>> {
    let mut versions = Vec::new();
    for entry in volume.top().dir(SYSTEMS)?.entries()? {
        if entry.is_dir == Some(false) {
            continue;
        }
        let Some(label) = ExistingLabel::of_file(&entry.name) else { continue };
        let missing = match volume.top().dir_if_exists(layout::version(&label)) {
            Ok(Some(dir)) => missing(volume, &label, &dir)?,
            Ok(None) => continue,
            Err(error) => Some(unreadable(error)?),
        };
        versions.push(Version {
            running: volume.running() == Some(&label),
            default: default == Some(&label),
            missing,
            changed_since: None,
            trial: None,
            label,
        });
    }
    Ok(versions)
}

/// The part that the version lacks to be complete. Versions of the original tools have no record and need only `run`. What cannot be read is
/// lacking too, because one unreadable file must not make the other versions unusable.
pub(super) fn missing(volume: &Volume, label: &ExistingLabel, dir: &Dir) -> Result<Option<String>> {
    match look(volume, label, dir) {
        Err(error) => unreadable(error).map(Some),
        outcome => outcome,
    }
}

/// The fault in words if the error is about something on the disk.
fn unreadable(error: Error) -> Result<String> {
    match error {
        Error::Io { .. } | Error::Malformed { .. } | Error::TooLarge { .. } => Ok(error.to_string()),
        error => Err(error),
    }
}

/// The fault of `run` or `orig`. A link in the place of one could lead to another version's tree, or out of the volume.
pub(super) fn fault_of_part(dir: &Dir, part: &str) -> Result<Option<String>> {
    Ok(match dir.stat_of(part)? {
        None => Some(format!("it has no {part}")),
        Some(stat) if !inode::is_directory(&stat) => {
            Some(format!("its {part} is damaged: it is no directory"))
        }
        Some(_) => None,
    })
}

fn look(volume: &Volume, label: &ExistingLabel, dir: &Dir) -> Result<Option<String>> {
    if dir.has(INCOMPLETE)? {
        return Ok(Some("its deployment has not ended".into()));
    }
    if let Some(fault) = fault_of_part(dir, RUN)? {
        return Ok(Some(fault));
    }
    if let Some(reason) = pending::fault(dir)? {
        return Ok(Some(format!("{MERGING} is {reason}")));
    }
    let Some(bytes) = dir.read_if_exists(BOOT_RECORD, MOST_TEXT)? else { return Ok(None) };
    let record = match BootRecord::parse(&bytes, &dir.shown(BOOT_RECORD)) {
        Err(error) => return Ok(Some(format!("{BOOT_RECORD} is {}", error.reason()))),
        Ok(record) => record,
    };
    if let Some(fault) = fault_of_part(dir, ORIG)? {
        return Ok(Some(fault));
    }
    let has_trees = record.dtb || record.fdtdir;
    for (wanted, name) in [(record.kernel, KERNEL), (record.initramfs, INITRAMFS), (has_trees, layout::DTB)] {
        if wanted && !volume.boot().has(label, name)? {
            return Ok(Some(format!("it has no {name}")));
        }
    }
    Ok(None)
}
