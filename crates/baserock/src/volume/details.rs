//! What is known of a version, beside how it stands.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use system::dir::{Dir, MOST_TEXT};
use system::error::Result;
use system::resolve::Links;
use system::utc;

use super::{Version, Volume};
use crate::boot::kernel_image;
use crate::etc::EtcPath;
use crate::json::Format;
use crate::label::ExistingLabel;
use crate::layout::{self, KERNEL, ORIG};
use crate::os_release::OsRelease;
use crate::remarks::Remarks;
use crate::rootfs::kernel::head;

/// Where trees have their `os-release`.
const OS_RELEASE: [&str; 2] = ["usr/lib/os-release", "etc/os-release"];
/// Where trees have the modules of their kernels, a folder for each.
const MODULES: [&str; 2] = ["usr/lib/modules", "lib/modules"];

/// A version, with what is known of it. As JSON this is one object.
#[derive(Clone, Debug, Serialize)]
pub struct Details {
    /// How it stands.
    #[serde(flatten)]
    pub version: Version,
    /// Whether it is the one that boots next: the one on trial, or the default.
    pub next: bool,
    /// When it was deployed, in UTC; `None` if that is not known.
    pub deployed: Option<String>,
    /// The same as a transaction of the filesystem, which is higher for later ones.
    #[serde(skip)]
    pub transaction: u64,
    /// What its system is called, as it was built.
    pub system: OsRelease,
    /// The version of its kernel; `None` if that is not known.
    pub kernel: Option<String>,
    /// Pin, note and revision.
    #[serde(flatten)]
    pub remarks: Remarks,
    /// The keys that have signed it, in words; empty if nobody has, `None` if it was not fetched from a repository.
    pub signed_by: Option<Vec<String>>,
    /// Whether it is known to be good: true if it has come up, false if it came back from its last trial.
    pub good: Option<bool>,
    /// The paths below `/etc` at which the last merge into it left conflicts that nobody has resolved.
    pub conflicts: Vec<EtcPath>,
    /// Bytes of data of the version. [`Volume::details`] leaves it empty, because it takes a look at all extents.
    pub size: Option<u64>,
    /// Bytes of it that become free if the version is removed. The same counts for it.
    pub exclusive: Option<u64>,
    /// What could not be read, in words.
    pub faults: Vec<String>,
}

impl Format for Details {}

impl Volume {
    /// What is known of these versions. What cannot be read is left out, and named, because it must not hide the versions.
    pub fn details(&self, versions: Vec<Version>) -> Result<Vec<Details>> {
        let next = self.next()?;
        Ok(versions.into_iter().map(|version| details(self, version, next.as_ref())).collect())
    }
}

fn details(volume: &Volume, version: Version, next: Option<&ExistingLabel>) -> Details {
    let label = version.label.clone();
    let mut faults = Vec::new();
    let deployed = known(volume.deployed(&label), &mut faults).flatten();
    let orig =
        known(volume.version_dir(&label).and_then(|dir| dir.dir_if_exists(ORIG)), &mut faults).flatten();
    let system = orig.as_ref().and_then(|orig| known(os_release(orig), &mut faults)).unwrap_or_default();
    let kernel = known(kernel(volume, &label, orig.as_ref()), &mut faults).flatten();
    let remarks = known(volume.remarks(&label), &mut faults).unwrap_or_default();
    let origin = known(volume.origin(&label), &mut faults).flatten();
    let good = known(volume.is_good(&label), &mut faults).flatten();
    let conflicts = known(volume.open_conflicts(&label), &mut faults).unwrap_or_default();
    Details {
        next: next == Some(&label),
        deployed: deployed.map(|(_, time): (u64, SystemTime)| utc::text(time)),
        transaction: deployed.map_or(0, |(transaction, _)| transaction),
        version,
        system,
        kernel,
        remarks,
        signed_by: origin.map(|origin| origin.signed_by),
        good,
        conflicts,
        size: None,
        exclusive: None,
        faults,
    }
}

fn known<T>(outcome: Result<T>, faults: &mut Vec<String>) -> Option<T> {
    outcome.map_err(|error| faults.push(error.to_string())).ok()
}

fn os_release(tree: &Dir) -> Result<OsRelease> {
    for path in OS_RELEASE {
        if tree.stat_beneath(Path::new(path))?.is_some() {
            let bytes = tree.read_with(path, Links::InRoot, MOST_TEXT)?;
            return Ok(OsRelease::parse(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(OsRelease::default())
}

/// The version of the kernel that boots a version: as its image says, or by the only folder of modules.
fn kernel(volume: &Volume, label: &ExistingLabel, orig: Option<&Dir>) -> Result<Option<String>> {
    let (boot, path) = (volume.boot().dir(), layout::in_version(label, KERNEL));
    if boot.stat_beneath(&path)?.is_some()
        && let Some(version) = kernel_image::version(&head(&boot.file(&path)?, &boot.shown(&path))?)
    {
        return Ok(Some(version));
    }
    let Some(orig) = orig else { return Ok(None) };
    for path in MODULES {
        if !orig.stat_beneath(Path::new(path))?.is_some_and(|stat| system::inode::is_directory(&stat)) {
            continue;
        }
        let mut folders = orig.dir(path)?.entries()?;
        folders.retain(|entry| entry.is_dir != Some(false));
        return Ok(match folders.as_slice() {
            [only] => Some(only.name.to_string_lossy().into_owned()),
            _ => None,
        });
    }
    Ok(None)
}
