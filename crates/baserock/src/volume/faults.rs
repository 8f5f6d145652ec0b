//! The faults of a version outside its tree.

use system::btrfs::{self, Access};
use system::error::Result;

use super::{Volume, version};
use crate::boot::extlinux;
use crate::label::ExistingLabel;
use crate::layout::{KERNEL, ORIG};

/// The faults of the version, in words.
pub(super) fn of(volume: &Volume, label: &ExistingLabel) -> Result<Vec<String>> {
    let dir = volume.version_dir(label)?;
    let mut faults: Vec<String> = version::missing(volume, label, &dir)?.into_iter().collect();
    if let Some(fault) = version::fault_of_part(&dir, ORIG)? {
        if faults.is_empty() {
            faults.push(fault);
        }
    } else {
        let orig = dir.dir(ORIG)?;
        if btrfs::is_subvolume(&orig)? && btrfs::access(&orig)? == Access::Writable {
            faults.push(format!("{ORIG} is writable, and was frozen when the version was deployed"));
        }
    }
    faults.extend(of_menu(volume, label)?);
    Ok(faults)
}

/// The fault that the menu does not boot the version. Without a menu or a kernel there is no such fault.
fn of_menu(volume: &Volume, label: &ExistingLabel) -> Result<Option<String>> {
    let Some(menu) = volume.boot().menu()? else { return Ok(None) };
    if !volume.boot().has(label, KERNEL)? {
        return Ok(None);
    }
    Ok((!extlinux::has_entry(&menu, label))
        .then(|| "the boot menu has no entry for it; set-default of any version writes one".to_owned()))
}
