//! A signature, checked against a keyring and then against the bytes.

use std::io::{self, Read};
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine};
use minisign_verify::PublicKey;
use ring::digest;
use system::error::{Error, Result};

use crate::keyring::{Keyring, is_open_pgp};
use crate::refusal::Refusal;
use crate::signer::Signer;
use crate::ssh::{self, Sshsig};

/// Most bytes that are kept in memory, for signatures that cover the bytes themselves and no hash of them.
const MOST_KEPT: u64 = 64 << 20;

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// A signature that is kept in a file of its own.
pub struct Signature {
    shown: String,
    form: Form,
}

enum Form {
    Minisign { number: u64, hashed: bool, signature: minisign_verify::Signature },
    Ssh(Sshsig),
}

/// A signature by a key that counts. The bytes have still to be compared.
pub struct Check<'a> {
    shown: &'a str,
    method: Method<'a>,
    signer: Signer,
}

enum Method<'a> {
    /// Whether a hash of the bytes is covered.
    Minisign(&'a PublicKey, &'a minisign_verify::Signature, bool),
    Ssh(&'a Sshsig, &'static digest::Algorithm),
}

impl Signature {
    /// Parses a signature, whose name in messages is `shown`.
    pub fn parse(bytes: &[u8], shown: &str) -> Result<Self> {
        let file = || shown.to_owned();
        if is_open_pgp(bytes) {
            return Err(Refusal::OpenPgp { file: file() }.into());
        }
        let text = String::from_utf8_lossy(bytes);
        let form = if text.trim_start().starts_with(ssh::BEGIN) {
            Sshsig::parse(&text).map(Form::Ssh)
        } else {
            minisign(&text)
        };
        let form = form.ok_or_else(|| Refusal::NoSignature { file: file() })?;
        Ok(Signature { shown: file(), form })
    }

    /// Whether the keyring has keys of the kind that made this.
    pub fn suits(&self, keyring: &Keyring) -> bool {
        match self.form {
            Form::Minisign { .. } => keyring.has_minisign(),
            Form::Ssh(_) => keyring.has_ssh(),
        }
    }

    /// Fails unless the key is in the keyring, and counts for this namespace at this time. Signatures of minisign have no namespace.
    pub fn check<'a>(&'a self, keyring: &'a Keyring, namespace: &str, now: SystemTime) -> Result<Check<'a>> {
        let file = || self.shown.clone();
        let other = |key| Refusal::OtherKey { file: file(), key, keyring: keyring.shown.clone() };
        let (method, signer) = match &self.form {
            Form::Minisign { number, hashed, signature } => {
                let signer =
                    |comment: &str| Signer::Minisign { number: *number, comment: comment.to_owned() };
                let key = keyring.minisign(*number).ok_or_else(|| other(signer("")))?;
                (Method::Minisign(key, signature, *hashed), signer(signature.trusted_comment()))
            }
            Form::Ssh(signature) => {
                let known = keyring
                    .ssh(&signature.key, namespace, now)
                    .ok_or_else(|| other(Signer::ssh(&signature.key, "")))?;
                if signature.namespace != namespace {
                    let (found, expected) = (signature.namespace.clone(), namespace.to_owned());
                    return Err(Refusal::Namespace { file: file(), found, expected }.into());
                }
                let signer =
                    known.map_err(|(key, reason)| Refusal::NotAllowed { file: file(), key, reason })?;
                let unsupported = |what| Refusal::Unsupported { file: file(), what };
                if let Some(what) = signature.unsupported() {
                    return Err(unsupported(what).into());
                }
                let hash = signature.hash().ok_or_else(|| unsupported("has an unknown hash".to_owned()))?;
                (Method::Ssh(signature, hash), signer)
            }
        };
        Ok(Check { shown: &self.shown, method, signer })
    }
}

impl Check<'_> {
    /// Reads the content to its end, and fails unless the signature is that of the content. `name` is that of the content.
    pub fn verify(self, content: &mut dyn Read, name: &str) -> Result<Signer> {
        let fits = match self.method {
            Method::Ssh(signature, hash) => {
                let mut hash = digest::Context::new(hash);
                each_piece(content, name, |piece| hash.update(piece))?;
                signature.is_of(hash.finish().as_ref())
            }
            Method::Minisign(key, signature, true) => match key.verify_stream(signature) {
                Ok(mut verifier) => {
                    each_piece(content, name, |piece| verifier.update(piece))?;
                    verifier.finalize().is_ok()
                }
                Err(_) => false,
            },
            Method::Minisign(key, signature, false) => {
                let mut bytes = Vec::new();
                each_piece(&mut content.take(MOST_KEPT + 1), name, |piece| bytes.extend(piece))?;
                if bytes.len() as u64 > MOST_KEPT {
                    let (file, name) = (self.shown.to_owned(), name.to_owned());
                    return Err(Refusal::WithoutHash { file, name, most: MOST_KEPT >> 20 }.into());
                }
                key.verify(&bytes, signature, true).is_ok()
            }
        };
        if !fits {
            return Err(Refusal::Altered { file: self.shown.to_owned(), name: name.to_owned() }.into());
        }
        Ok(self.signer)
    }
}

/// Hands over all bytes of the reader of `name`.
fn each_piece(content: &mut dyn Read, name: &str, mut hand_over: impl FnMut(&[u8])) -> Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match content.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => hand_over(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::of_reader(name, error)),
        }
    }
}

/// A signature of minisign, from its text of four lines.
fn minisign(text: &str) -> Option<Form> {
    let text = text.trim_start_matches('\u{feff}');
    let signature = minisign_verify::Signature::decode(text).ok()?;
    let bytes = BASE64_STANDARD.decode(text.lines().nth(1)?).ok()?;
    let number = bytes.get(2..10)?.try_into().ok().map(u64::from_le_bytes)?;
    Some(Form::Minisign { number, hashed: bytes.starts_with(b"ED"), signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1633700835\tfile:test\tprehashed
wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==";

    fn verify(signature: &str, content: &str) -> Result<Signer> {
        let keyring = Keyring::parse(KEY.as_bytes(), "keys")?;
        let signature = Signature::parse(signature.as_bytes(), "a.minisig")?;
        signature.check(&keyring, "file", SystemTime::now())?.verify(&mut content.as_bytes(), "a")
    }

    #[test]
    fn a_signature_covers_one_content_and_its_comment() {
        assert_eq!(
            verify(SIGNATURE, "test").unwrap().to_string(),
            "minisign key E7620F1842B4E81F (timestamp:1633700835\tfile:test\tprehashed)"
        );
        for (signature, content) in
            [(SIGNATURE.to_owned(), "Test"), (SIGNATURE.replace("file:test", "file:best"), "test")]
        {
            let message = verify(&signature, content).unwrap_err().to_string();
            assert!(message.starts_with("a.minisig is not the signature of a: "), "{message}");
        }
    }

    #[test]
    fn what_is_no_signature_is_told_apart() {
        let reason = |text: &str| verify(text, "test").unwrap_err().to_string();
        assert!(reason("<html>").contains("is no signature of minisign or ssh"));
        assert!(reason(&SIGNATURE[..200]).contains("is no signature"));
        assert!(reason("-----BEGIN PGP SIGNATURE-----\n").contains("is of OpenPGP"));
        assert!(
            reason("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")
                .contains("is no signature")
        );
        let other = SIGNATURE.replace("RUQf6", "RUQg6");
        assert!(reason(&other).contains("was made with the minisign key "), "{}", reason(&other));
    }
}
