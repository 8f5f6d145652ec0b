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
    if let Some(refusal) = error.kind() {
        return signatures(refusal);
    }
    if let Some(refusal) = error.kind() {
        return baserock_terminal::volume::remedy(refusal);
    }
    let words = match error.kind()? {
        baserock_fetch::Refusal::NotInList { .. } | baserock_fetch::Refusal::Ambiguous { .. } => {
            "give the right one with --sha256, or remove it"
        }
        baserock_fetch::Refusal::Mismatch { .. } => "nothing was added",
        _ => return None,
    };
    Some(words.to_owned())
}

fn signatures(refusal: &baserock_signatures::Refusal) -> Option<String> {
    use baserock_signatures::Refusal as R;
    let words = match refusal {
        R::NoKey { .. } | R::Line { .. } => {
            "give public keys of minisign or ssh, or ssh's allowed signers, a line each"
        }
        R::Secret { .. } => "give the file whose name ends with .pub",
        R::OpenPgp { .. } => {
            "let the maker sign with minisign -S or ssh-keygen -Y sign, or give the sum with --sha256"
        }
        R::NoSignature { .. } => "name the right one with --signature FILE",
        R::OtherKey { .. } => "get the maker's public key from where you trust it, and add it to the keyring",
        R::NotAllowed { .. } => "ask the maker for a new signature or key",
        R::Namespace { .. } => "let the maker sign with ssh-keygen -Y sign -n file",
        R::Unsupported { .. } => "let the maker sign with a key of the kind ed25519",
        R::Altered { .. } => "nothing was added; get both again",
        R::WithoutHash { .. } => "let the maker sign with minisign -S -H",
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
        Refusal::NoSignature { .. } => "name it with --signature FILE".to_owned(),
        Refusal::SignedFolder { .. } => "give an archive, or leave --verify out".to_owned(),
        Refusal::StoreInside { .. } => "use --store DIR".to_owned(),
        Refusal::InFolder { .. } => {
            "for an archive, use --strip-components 1, or 2 if its names begin with ./; for a directory, name the folder".to_owned()
        }
        _ => return None,
    })
}
