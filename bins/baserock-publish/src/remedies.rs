//! The remedies of this program for refusals.

use repository::Refusal;
use system::Error;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    if let Error::Busy { .. } = error {
        return Some("another publisher is at work; wait for it to end".to_owned());
    }
    if let Some(baserock_signatures::Refusal::Unsigned { .. }) = error.kind() {
        return Some("sign it (baserock-publish sign)".to_owned());
    }
    Some(match error.kind()? {
        Refusal::Exists { .. } => "choose another label: what is published never changes".to_owned(),
        Refusal::OneMachine { .. } => "remove that from the tree; machines make their own".to_owned(),
        Refusal::NoRepository { .. } => "name an empty folder, or one that does not exist".to_owned(),
        Refusal::NoIndex { .. } => "publish in it first (baserock-publish add)".to_owned(),
        Refusal::NoVersion { .. } => "publish it first (baserock-publish add)".to_owned(),
        _ => return None,
    })
}
