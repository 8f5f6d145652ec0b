//! The remedies of this program for refusals.

use baserock_chroots::Refusal;
use baserock_terminal::volume;
use system::Error;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    if let Some(refusal) = error.kind() {
        return volume::remedy(refusal);
    }
    Some(match error.kind()? {
        Refusal::NoHome => "set HOME, or name the store with --store DIR".to_owned(),
        Refusal::NoWay { .. } => "chmod 755 / inside, as root, mends it".to_owned(),
        Refusal::NoShell { .. } => "run a command that it has: enter-baserock LABEL -- COMMAND".to_owned(),
        Refusal::NoDevice { .. } => "give one of the host's, as --device fuse".to_owned(),
        Refusal::NoChroot { .. } => "manage-baserock list shows them".to_owned(),
        _ => return None,
    })
}
