//! Signatures of ssh: `ssh-keygen -Y sign`.

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{self, SHA256, SHA512};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::wire::{Wire, put};

/// The first line of a signature, and the last one.
pub const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

const MAGIC: &[u8] = b"SSHSIG";
const SECURITY_KEY: &[u8] = b"sk-ssh-ed25519@openssh.com";
const SECURITY_KEY_P256: &[u8] = b"sk-ecdsa-sha2-nistp256@openssh.com";

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sshsig {
    /// The encoded public key.
    pub key: Vec<u8>,
    /// What the signature is for.
    pub namespace: String,
    reserved: Vec<u8>,
    hash: String,
    signature: Vec<u8>,
}

impl Sshsig {
    /// Parses the text of a signature.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let bytes: Vec<u8> = body.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = BASE64_STANDARD.decode(bytes).ok()?;
        let mut wire = Wire(bytes.strip_prefix(MAGIC)?);
        if wire.number()? != 1 {
            return None;
        }
        let mut text = || Some(wire.text()?.to_vec());
        let (key, namespace, reserved, hash, signature) = (text()?, text()?, text()?, text()?, text()?);
        wire.end()?;
        let namespace = String::from_utf8(namespace).ok().filter(|namespace| !namespace.is_empty())?;
        Some(Sshsig { key, namespace, reserved, hash: String::from_utf8(hash).ok()?, signature })
    }

    /// The algorithm by which the content is hashed, if it is known.
    pub fn hash(&self) -> Option<&'static digest::Algorithm> {
        match self.hash.as_str() {
            "sha256" => Some(&SHA256),
            "sha512" => Some(&SHA512),
            _ => None,
        }
    }

    /// What the signature is made with, if that is not verified here.
    pub fn unsupported(&self) -> Option<String> {
        let kind = kind(&self.key).unwrap_or_default();
        match kind {
            b"ssh-ed25519"
            | b"ecdsa-sha2-nistp256"
            | b"ecdsa-sha2-nistp384"
            | SECURITY_KEY
            | SECURITY_KEY_P256 => {}
            b"ssh-rsa" if modulus_bits(&self.key).is_some_and(|bits| (2048..=8192).contains(&bits)) => {}
            b"ssh-rsa" => {
                return Some("was made with an RSA key of fewer than 2048 bits or more than 8192".to_owned());
            }
            other => {
                return Some(format!("was made with a key of the kind {}", String::from_utf8_lossy(other)));
            }
        }
        self.hash().is_none().then(|| format!("was made with the hash {}", self.hash))
    }

    /// Whether this is the signature of the content with this hash.
    pub fn is_of(&self, hash: &[u8]) -> bool {
        let mut message = MAGIC.to_vec();
        for text in [self.namespace.as_bytes(), &self.reserved, self.hash.as_bytes(), hash] {
            put(&mut message, text);
        }
        verify(&self.key, &self.signature, &message).is_some()
    }
}

/// The name of the kind of a key.
pub fn kind(key: &[u8]) -> Option<&[u8]> {
    Wire(key).text()
}

fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut key = Wire(key);
    let (_, _, modulus) = (key.text()?, key.integer()?, key.integer()?);
    Some(modulus.len() * 8 - modulus.first()?.leading_zeros() as usize)
}

/// Succeeds if the signature of the message was made with the key.
fn verify(key: &[u8], signature: &[u8], message: &[u8]) -> Option<()> {
    let (mut key, mut signature) = (Wire(key), Wire(signature));
    let kind = key.text()?;
    let (algorithm, value) = (signature.text()?, signature.text()?);
    if kind == b"ssh-rsa" {
        let (exponent, modulus) = (key.integer()?, key.integer()?);
        key.end()?;
        signature.end()?;
        let algorithm = match algorithm {
            b"rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
            b"rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
            _ => return None,
        };
        return RsaPublicKeyComponents { n: modulus, e: exponent }.verify(algorithm, message, value).ok();
    }
    if algorithm != kind {
        return None;
    }
    let (method, width): (&'static dyn VerificationAlgorithm, _) = match kind {
        b"ssh-ed25519" | SECURITY_KEY => (&ED25519, None),
        b"ecdsa-sha2-nistp256" | SECURITY_KEY_P256 => (&ECDSA_P256_SHA256_FIXED, Some((b"nistp256", 32))),
        b"ecdsa-sha2-nistp384" => (&ECDSA_P384_SHA384_FIXED, Some((b"nistp384", 48))),
        _ => return None,
    };
    let value = match width {
        None => value.to_vec(),
        Some((curve, width)) if key.text()? == curve => fixed(value, width)?,
        Some(_) => return None,
    };
    let point = key.text()?;
    let message = if [SECURITY_KEY, SECURITY_KEY_P256].contains(&kind) {
        by_device(key.text()?, &mut signature, message)?
    } else {
        message.to_vec()
    };
    key.end()?;
    signature.end()?;
    UnparsedPublicKey::new(method, point).verify(&message, &value).ok()
}

/// What a security key signs: hashes of the application and of the message, its flags, and its counter.
fn by_device(application: &[u8], signature: &mut Wire<'_>, message: &[u8]) -> Option<Vec<u8>> {
    const FLAGS_AND_COUNTER: usize = 5;
    let application = digest::digest(&SHA256, application);
    let message = digest::digest(&SHA256, message);
    Some([application.as_ref(), signature.bytes(FLAGS_AND_COUNTER)?, message.as_ref()].concat())
}

/// Both numbers of an ECDSA signature in this many bytes each.
fn fixed(value: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut value = Wire(value);
    let mut fixed = Vec::new();
    for number in [value.integer()?, value.integer()?] {
        fixed.resize(fixed.len() + width.checked_sub(number.len())?, 0);
        fixed.extend(number);
    }
    value.end()?;
    Some(fixed)
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    /// The parts of a signature by a security key, as the device and ssh make it.
    fn by_security_key(namespace: &str, hash: &[u8]) -> Sshsig {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let mut key = Vec::new();
        for text in [SECURITY_KEY, pair.public_key().as_ref(), b"ssh:"] {
            put(&mut key, text);
        }
        let mut message = MAGIC.to_vec();
        for text in [namespace.as_bytes(), b"", b"sha512", hash] {
            put(&mut message, text);
        }
        let mut tail = [1, 0, 0, 0, 9].to_vec();
        let signed = by_device(b"ssh:", &mut Wire(&tail), &message).unwrap();
        let mut signature = Vec::new();
        put(&mut signature, SECURITY_KEY);
        put(&mut signature, pair.sign(&signed).as_ref());
        signature.append(&mut tail);
        let (namespace, reserved, hash) = (namespace.to_owned(), Vec::new(), "sha512".to_owned());
        Sshsig { key, namespace, reserved, hash, signature }
    }

    #[test]
    fn a_security_key_signs_with_its_flags_and_counter() {
        let mut signature = by_security_key("file", &[1; 64]);
        assert_eq!(signature.unsupported(), None);
        assert!(signature.is_of(&[1; 64]) && !signature.is_of(&[2; 64]));
        *signature.signature.last_mut().unwrap() += 1;
        assert!(!signature.is_of(&[1; 64]));
    }

    #[test]
    fn what_is_not_verified_is_named() {
        let mut signature = by_security_key("file", &[1; 64]);
        signature.hash = "md5".to_owned();
        assert!(signature.unsupported().unwrap().contains("the hash md5"));
        signature.key = [&[0, 0, 0, 7], &b"ssh-dss"[..]].concat();
        assert!(signature.unsupported().unwrap().contains("of the kind ssh-dss"));
    }
}
