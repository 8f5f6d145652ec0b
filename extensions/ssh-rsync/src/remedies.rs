//! Remedies for refusals on this machine and on the target.

use baserock::Refusal;
use baserock_terminal::remedy::{boot, make_room, sign_by_variable, take_by_variable};
use system::Error;

use crate::lost::Lost;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    if let Some(lost) = error.kind::<Lost>() {
        return lost.resumable.then(|| "run it again: what has arrived is kept".to_owned());
    }
    Some(match error.kind()? {
        Refusal::Exists { label, .. } => format!(
            "choose another VERSION_LABEL, or remove it there first (system-version-manager remove {label})"
        ),
        Refusal::Foreign { label, .. } => {
            format!("remove it there first (system-version-manager remove {label})")
        }
        Refusal::Full { removable, large, .. } | Refusal::NoRoom { removable, large, .. } => {
            format!("on the target, {}", make_room("system-version-manager", removable, large))
        }
        Refusal::Unmergeable { paths, .. } => take_by_variable(paths),
        Refusal::Conflicts { paths, .. } => {
            format!("{}, or set CONFLICTS=default-stays", take_by_variable(paths))
        }
        Refusal::NotBaserock { .. } => "make the target's disk with rawdisk.write first".to_owned(),
        Refusal::NoOneShot { .. } => "push it without TRIAL".to_owned(),
        Refusal::NoTrialUnit { .. } => {
            "put the units for trials into TEMP_ROOT, or push it without TRIAL".to_owned()
        }
        Refusal::NotVouched { .. } => sign_by_variable(),
        refusal => return boot(refusal),
    })
}
