//! A text with its signatures in front: one file, so that a cache cannot give away one without the other.
//!
//! ```text
//! -----BEGIN SSH SIGNATURE-----      once for each signer
//! …
//! -----END SSH SIGNATURE-----
//! the text, to the end
//! ```
//!
//! The signatures are those of `ssh-keygen -Y sign`, and cover the text alone.

use std::time::SystemTime;

use baserock_signatures::{Keyring, Signature, Signer};
use system::error::{OrCannot, Result};
use system::process::Program;

use crate::refusal::Refusal;

/// What the signatures are for, as ssh's namespace.
pub const NAMESPACE: &str = "baserock-repository";

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// Most signatures that are looked at.
const MOST: usize = 32;

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The signatures, in ssh's form.
    pub signatures: Vec<&'a str>,
    /// The text that they cover.
    pub text: &'a str,
}

/// Whose signatures count, and how many are needed.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The keys; `None` if a text without signatures counts too.
    pub keyring: Option<Keyring>,
    /// How many of them have to sign.
    pub threshold: usize,
    /// Whether an index counts that has expired.
    pub allow_expired: bool,
}

impl<'a> Signed<'a> {
    /// Takes a file apart.
    pub fn parse(file: &'a str) -> Self {
        let (mut signatures, mut rest) = (Vec::new(), file);
        while let Some(end) = rest.find(END).filter(|_| rest.starts_with(BEGIN) && signatures.len() < MOST) {
            let (signature, after) = rest.split_at(end + END.len());
            signatures.push(signature);
            rest = after;
        }
        Signed { signatures, text: rest }
    }

    /// Whose this signature is.
    fn signer(&self, signature: &str, keyring: &Keyring, shown: &str) -> Result<Signer> {
        let signature = Signature::parse(signature.as_bytes(), shown)?;
        signature.check(keyring, NAMESPACE, SystemTime::now())?.verify(&mut self.text.as_bytes(), shown)
    }

    /// Fails unless so many of the trusted keys have signed the text. Returns the keys. `shown` names the file in messages.
    pub fn verify(&self, trust: &Trust, shown: &str) -> Result<Vec<Signer>> {
        let Some(keyring) = &trust.keyring else { return Ok(Vec::new()) };
        let (mut signers, mut fault) = (Vec::new(), None);
        for signature in &self.signatures {
            match self.signer(signature, keyring, shown) {
                Ok(signer) if signers.contains(&signer) => {}
                Ok(signer) => signers.push(signer),
                // Others may sign too.
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        if signers.len() >= trust.threshold.max(1) {
            return Ok(signers);
        }
        match (signers.is_empty(), fault) {
            (true, Some(fault)) => Err(fault),
            (true, None) => Err(Refusal::Unsigned { file: shown.to_owned() }.into()),
            (false, _) => {
                let (found, needed) = (signers.len(), trust.threshold);
                Err(Refusal::TooFewSigners { file: shown.to_owned(), found, needed }.into())
            }
        }
    }
}

/// Fails if there is no such key, before much is done that has to be signed.
pub fn require_key(key: &str) -> Result<()> {
    std::fs::metadata(key).or_cannot("read the key", key).map(drop)
}

/// The text with one more signature, by this key: a private key, or a public one whose private key an agent or a device has.
pub fn sign(file: &str, key: &str) -> Result<String> {
    let text = Signed::parse(file).text;
    let done = Program::new("ssh-keygen")
        .package("openssh-client")
        .args(["-Y", "sign", "-n", NAMESPACE, "-f", key])
        .input(text)
        .run()?;
    let signature = String::from_utf8_lossy(&done.stdout);
    Ok(format!("{}\n{file}", signature.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_apart() {
        let (one, two) = (format!("{BEGIN}AAAA\n{END}"), format!("{BEGIN}BBBB\n{END}"));
        let file = format!("{one}{two}{{}}\n{END}");
        let signed = Signed::parse(&file);
        assert_eq!(signed.signatures, [one, two]);
        assert_eq!(signed.text, format!("{{}}\n{END}"));
        assert_eq!(Signed::parse("{}\n"), Signed { signatures: Vec::new(), text: "{}\n" });
        assert_eq!(Signed::parse(BEGIN).text, BEGIN, "a signature that is cut off is text");
    }
}
