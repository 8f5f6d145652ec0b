//! Files of public keys: those of minisign, those of ssh, and ssh's files of allowed signers.

use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine};
use minisign_verify::PublicKey;
use system::error::Result;

use crate::refusal::Refusal;
use crate::restriction::Restriction;
use crate::signer::Signer;
use crate::ssh;

/// Public keys, and what each is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    /// Its name in messages.
    pub(crate) shown: String,
    minisign: Vec<(u64, PublicKey)>,
    ssh: Vec<Allowed>,
}

/// A key of ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    key: Vec<u8>,
    principals: String,
    restriction: Restriction,
}

impl Keyring {
    /// Parses a keyring, whose name in messages is `shown`. A line is empty, a comment, a public key of minisign or of ssh, or one of ssh's
    /// file of allowed signers.
    pub fn parse(bytes: &[u8], shown: &str) -> Result<Self> {
        let named = || shown.to_owned();
        if is_open_pgp(bytes) {
            return Err(Refusal::OpenPgp { file: named() }.into());
        }
        let text = String::from_utf8_lossy(bytes);
        if text.contains("PRIVATE KEY-----") || text.contains("encrypted secret key") {
            return Err(Refusal::Secret { keyring: named() }.into());
        }
        let mut keyring = Keyring { shown: named(), minisign: Vec::new(), ssh: Vec::new() };
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("untrusted comment:") {
                continue;
            }
            if let Some(key) = minisign(line) {
                keyring.minisign.push(key);
                continue;
            }
            let allowed = allowed(line).map_err(|reason| Refusal::Line {
                keyring: named(),
                line: number + 1,
                reason,
            })?;
            keyring.ssh.push(allowed);
        }
        if keyring.minisign.is_empty() && keyring.ssh.is_empty() {
            return Err(Refusal::NoKey { keyring: named() }.into());
        }
        Ok(keyring)
    }

    /// Whether it has keys of minisign.
    pub fn has_minisign(&self) -> bool {
        !self.minisign.is_empty()
    }

    /// Whether it has keys of ssh.
    pub fn has_ssh(&self) -> bool {
        !self.ssh.is_empty()
    }

    /// The key of minisign with this number.
    pub(crate) fn minisign(&self, number: u64) -> Option<&PublicKey> {
        self.minisign.iter().find(|(known, _)| *known == number).map(|(_, key)| key)
    }

    /// Whose the key of ssh is; `None` if it is not here. It is an error if no line with it counts for the namespace now: the key, and why.
    pub(crate) fn ssh(
        &self,
        key: &[u8],
        namespace: &str,
        now: SystemTime,
    ) -> Option<Result<Signer, (Signer, String)>> {
        let mut refused = None;
        for allowed in self.ssh.iter().filter(|allowed| allowed.key == key) {
            let signer = Signer::ssh(key, &allowed.principals);
            match allowed.restriction.allows(namespace, now) {
                Ok(()) => return Some(Ok(signer)),
                Err(reason) => refused = refused.or(Some((signer, reason))),
            }
        }
        refused.map(Err)
    }
}

/// Whether the bytes are keys or a signature of OpenPGP: with armor, without, or in a keybox of GnuPG.
pub fn is_open_pgp(bytes: &[u8]) -> bool {
    let tag = bytes.first().map(|first| if first & 0x40 == 0 { (first & 0x3f) >> 2 } else { first & 0x3f });
    // Packets of this kind have the first bit set, which no text of ASCII or UTF-8 begins with.
    let is_packet = bytes.first().is_some_and(|first| first & 0x80 != 0)
        && matches!(tag, Some(2 | 5 | 6 | 7 | 14))
        && std::str::from_utf8(bytes).is_err();
    is_packet || bytes.get(8..12) == Some(b"KBXf") || find(bytes, b"-----BEGIN PGP ")
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// The number of a key of minisign, and the key.
fn minisign(line: &str) -> Option<(u64, PublicKey)> {
    let bytes = BASE64_STANDARD.decode(line).ok()?;
    let number = bytes.get(2..10)?.try_into().ok().map(u64::from_le_bytes)?;
    Some((number, PublicKey::from_base64(line).ok()?))
}

/// A line `[PRINCIPALS [OPTIONS]] KIND KEY [COMMENT]`.
fn allowed(line: &str) -> Result<Allowed, String> {
    let words = words(line);
    let at =
        (0..3).find(|at| words.get(*at).zip(words.get(at + 1)).is_some_and(|(kind, key)| is_key(kind, key)));
    let Some(at) = at else { return Err("has no public key of minisign or ssh".to_owned()) };
    let key = BASE64_STANDARD.decode(words[at + 1]).map_err(|_| "has a damaged key".to_owned())?;
    let restriction = if at == 2 { Restriction::parse(words[1])? } else { Restriction::default() };
    let principals = if at == 0 { "" } else { words[0].trim_matches('"') };
    Ok(Allowed { key, principals: principals.to_owned(), restriction })
}

/// Whether this is an encoded key of this kind.
fn is_key(kind: &str, key: &str) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|key| ssh::kind(&key) == Some(kind.as_bytes()))
}

/// The words of a line. White space in quotation marks separates none.
fn words(line: &str) -> Vec<&str> {
    let mut quoted = false;
    let ends = |c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    };
    line.split(ends).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzKNaFH6ANOBFtFy5mPBZGPmDVXx7pJkqq+5h7uUJKm";
    const MINISIGN: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn reason(bytes: &[u8]) -> String {
        Keyring::parse(bytes, "keys").unwrap_err().to_string()
    }

    #[test]
    fn keys_of_all_kinds_are_found() {
        let text = format!(
            "\u{feff}# comment\r\nuntrusted comment: minisign public key\r\n{MINISIGN}\r\n\n{KEY} joe@h\n\"a b@h,*@o\" \
             namespaces=\"x, y\",valid-after=20200101 {KEY}\n"
        );
        let keyring = Keyring::parse(text.as_bytes(), "keys").unwrap();
        assert!(keyring.minisign(0xE762_0F18_42B4_E81F).is_some() && keyring.minisign(1).is_none());
        assert_eq!(keyring.ssh.len(), 2);
        assert_eq!(keyring.ssh[1].principals, "a b@h,*@o");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_472_255);
        assert!(keyring.ssh(&keyring.ssh[0].key, "z", now).unwrap().is_ok());
        assert!(keyring.ssh(b"another", "z", now).is_none());
    }

    #[test]
    fn what_is_no_keyring_is_told_apart() {
        assert_eq!(reason(b"\n# nothing\n"), "keys: has no public key");
        for bytes in [
            &b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"[..],
            b"\x99\x01\x0d\x04\xff",
            b"\0\0\0\x20\x01\x01\0\x02KBXf",
        ] {
            assert!(reason(bytes).contains("is of OpenPGP"), "{bytes:?}");
        }
        assert!(reason(b"-----BEGIN OPENSSH PRIVATE KEY-----\n").contains("secret key"));
        assert!(reason(b"untrusted comment: minisign encrypted secret key\n").contains("secret key"));
        assert!(reason(format!("{KEY}\nnonsense\n").as_bytes()).contains("line 2 has no public key"));
        assert!(reason(format!("joe odd {KEY}\n").as_bytes()).contains("line 1 has the unknown option odd"));
        assert!(reason(KEY.replace("ssh-ed", "ssh-rsa-ed").as_bytes()).contains("line 1 has no public key"));
    }
}
