//! Keyrings, signatures, and what they cover.

use std::time::{Duration, SystemTime};

use baserock_signatures::{FILE, Keyring, Signature};

/// A keyring, a line `----`, a signature, a line `----`, and a content.
pub fn run(bytes: &[u8]) {
    let mut parts = split(bytes);
    let (keys, signature) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let content = parts.next().unwrap_or_default();
    let keyring = Keyring::parse(keys, "keys");
    let signature = Signature::parse(signature, "signature");
    let (Ok(keyring), Ok(signature)) = (keyring, signature) else { return };
    assert!(keyring.has_minisign() || keyring.has_ssh(), "a keyring without keys");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_472_255);
    let Ok(check) = signature.check(&keyring, FILE, now) else { return };
    assert!(signature.suits(&keyring), "the key is of another kind");
    // The corpus has signatures of one content, and nobody can make more of them without a key.
    let fits = check.verify(&mut &content[..], "content").is_ok();
    assert!(!fits || content == b"test\n", "a forged signature");
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    const LINE: &[u8] = b"----\n";
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let all = rest?;
        // Lines of signatures begin with hyphens too, and go on.
        let at = (0..all.len()).find(|&at| all[at..].starts_with(LINE) && (at == 0 || all[at - 1] == b'\n'));
        rest = at.map(|at| &all[at + LINE.len()..]);
        Some(at.map_or(all, |at| &all[..at]))
    })
}
