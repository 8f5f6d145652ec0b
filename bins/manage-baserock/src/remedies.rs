//! The remedies of this program for refusals.

use baserock_chroots::Refusal;
use system::Error;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    if let Some(refusal) = error.kind() {
        return store(refusal);
    }
    if let Some(baserock_archive::Refusal::Suspicious { .. }) = error.kind() {
        return Some("--max-size SIZE allows it".to_owned());
    }
    let words = match error.kind()? {
        baserock_fetch::Refusal::NotInList { .. } => "give the right one with --sha256, or remove it",
        baserock_fetch::Refusal::Mismatch { .. } => "nothing was added",
        _ => return None,
    };
    Some(words.to_owned())
}

fn store(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::NoHome => "set HOME, or name the store with --store DIR".to_owned(),
        Refusal::NoChroot { .. } => "manage-baserock list shows them".to_owned(),
        Refusal::Exists { label } => {
            format!("use another label, or remove that one with manage-baserock rm {label}")
        }
        Refusal::Default { .. } => {
            "choose another one with manage-baserock set-default LABEL, or use --force".to_owned()
        }
        Refusal::StoreInside { .. } => "use --store DIR".to_owned(),
        Refusal::InFolder { .. } => {
            "for an archive, use --strip-components 1, or 2 if its names begin with ./; for a directory, name the folder".to_owned()
        }
        _ => return None,
    })
}
