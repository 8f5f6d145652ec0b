//! The remedies of this extension for refusals.

use std::path::Path;

use baserock::Refusal;
use baserock_terminal::remedy::{boot, install, make_room, sign_by_variable, take_by_variable};
use system::Error;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    Some(match error.kind()? {
        Refusal::NoBootLoader { package, .. } => {
            format!("{}, or set BOOTLOADER_INSTALL=none", install(package))
        }
        Refusal::Exists { label, volume } => {
            format!("choose another VERSION_LABEL, or remove it first ({} remove {label})", manager(volume))
        }
        Refusal::Foreign { label, volume } => format!("remove it first ({} remove {label})", manager(volume)),
        Refusal::Full { volume, removable, large, .. } | Refusal::NoRoom { volume, removable, large, .. } => {
            make_room(&manager(volume), removable, large)
        }
        Refusal::Unmergeable { paths, .. } => take_by_variable(paths),
        Refusal::Conflicts { paths, .. } => {
            format!("{}, or set CONFLICTS=default-stays", take_by_variable(paths))
        }
        Refusal::NotVouched { .. } => sign_by_variable(),
        refusal => return boot(refusal),
    })
}

/// The program that removes versions from the disk.
fn manager(volume: &Path) -> String {
    format!("system-version-manager --volume {}", volume.display())
}
