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

use system::error::Result;

use crate::refusal::Refusal;
use crate::{Keyring, REPOSITORY, Signature, Signer};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// Most signatures that are looked at.
const MOST: usize = 32;

/// A text and its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedText<'a> {
    /// The signatures, in ssh's form.
    pub signatures: Vec<&'a str>,
    /// The text that they cover.
    pub text: &'a str,
}

impl<'a> SignedText<'a> {
    /// Takes a file apart.
    pub fn parse(file: &'a str) -> Self {
        let (mut signatures, mut rest) = (Vec::new(), file);
        while let Some(end) = rest.find(END).filter(|_| rest.starts_with(BEGIN) && signatures.len() < MOST) {
            let (signature, after) = rest.split_at(end + END.len());
            signatures.push(signature);
            rest = after;
        }
        SignedText { signatures, text: rest }
    }

    /// Whose this signature is.
    fn signer(&self, signature: &str, keyring: &Keyring, shown: &str) -> Result<Signer> {
        let signature = Signature::parse(signature.as_bytes(), shown)?;
        signature.check(keyring, REPOSITORY, SystemTime::now())?.verify(&mut self.text.as_bytes(), shown)
    }

    /// Fails unless at least `threshold` of the keys have signed the text. Returns the keys that have. `shown` names the file in messages.
    pub fn verify(&self, keyring: &Keyring, threshold: usize, shown: &str) -> Result<Vec<Signer>> {
        let (mut signers, mut fault) = (Vec::new(), None);
        for signature in &self.signatures {
            match self.signer(signature, keyring, shown) {
                Ok(signer) if signers.contains(&signer) => {}
                Ok(signer) => signers.push(signer),
                // Others may sign too.
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        if signers.len() >= threshold.max(1) {
            return Ok(signers);
        }
        match (signers.is_empty(), fault) {
            (true, Some(fault)) => Err(fault),
            (true, None) => Err(Refusal::Unsigned { file: shown.to_owned() }.into()),
            (false, _) => {
                let found = signers.len();
                Err(Refusal::TooFewSigners { file: shown.to_owned(), found, needed: threshold }.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_apart() {
        let (one, two) = (format!("{BEGIN}AAAA\n{END}"), format!("{BEGIN}BBBB\n{END}"));
        let file = format!("{one}{two}{{}}\n{END}");
        let signed = SignedText::parse(&file);
        assert_eq!(signed.signatures, [one, two]);
        assert_eq!(signed.text, format!("{{}}\n{END}"));
        assert_eq!(SignedText::parse("{}\n"), SignedText { signatures: Vec::new(), text: "{}\n" });
        assert_eq!(SignedText::parse(BEGIN).text, BEGIN, "a signature that is cut off is text");
    }
}
