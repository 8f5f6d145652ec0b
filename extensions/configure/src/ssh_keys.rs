//! `sshkeys`: lets the owners of SSH keys log in as root.

use std::path::Path;

use baserock::extension::{Environment, paths};
use system::dir::MOST_TEXT;
use system::observer::Observer;
use system::{Error, Result, file};

use crate::tree::{self, Access, Tree};

/// Adds the public keys in the files that `SSHKEYS` names to root's `authorized_keys`.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let Some(files) = environment.text("SSHKEYS")?.filter(|files| !files.trim().is_empty()) else {
        return Ok(());
    };
    let mut keys = Vec::new();
    for path in paths(files) {
        let text = file::read_text(path, MOST_TEXT)?;
        let found = public_keys(&text).map_err(|reason| Error::malformed(path, reason))?;
        keys.extend(found.into_iter().map(str::to_owned));
        observer.phase(format!("adding the keys in {}", path.display()));
    }
    let folder = Tree::open(root)?.ensure_folder(Path::new("root/.ssh"), 0o700)?;
    let known = folder.read_if_exists("authorized_keys", MOST_TEXT)?.unwrap_or_default();
    tree::write(&folder, "authorized_keys", with(known, &keys).as_slice(), Access::root(0o600))
}

/// The lines of a file of public keys.
fn public_keys(text: &str) -> Result<Vec<&str>, &'static str> {
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key, which belongs on no other machine; name the .pub file");
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<&str> = lines.collect();
    if keys.is_empty() || !keys.iter().all(|line| is_public_key(line)) {
        return Err("not public keys, one a line, as ssh-keygen makes them");
    }
    Ok(keys)
}

/// Whether a line has the name of a kind of key, followed by a key in base64. Options may precede these.
fn is_public_key(line: &str) -> bool {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let kind =
        |word: &str| ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| word.starts_with(start));
    words.windows(2).any(|pair| kind(pair[0]) && pair[1].starts_with("AAAA"))
}

/// The file with the missing keys added.
fn with(mut known: Vec<u8>, keys: &[String]) -> Vec<u8> {
    if !known.is_empty() && !known.ends_with(b"\n") {
        known.push(b'\n');
    }
    for key in keys {
        if !known.split(|&byte| byte == b'\n').any(|line| line == key.as_bytes()) {
            known.extend_from_slice(key.as_bytes());
            known.push(b'\n');
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM me@here";

    #[test]
    fn only_public_keys_are_accepted() {
        let options = format!("command=\"ls -l\",no-pty {KEY}");
        for good in [KEY, &options, "# comment\n\necdsa-sha2-nistp256 AAAAE2Vj x\n"] {
            assert!(public_keys(good).is_ok(), "{good}");
        }
        for bad in
            ["", "hello", "ssh-rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", "ssh-rsa AAAA a\njunk\n"]
        {
            assert!(public_keys(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_added_once() {
        let once = with(b"ssh-rsa AAAAB old".to_vec(), &[KEY.to_owned()]);
        assert_eq!(once, format!("ssh-rsa AAAAB old\n{KEY}\n").as_bytes());
        assert_eq!(with(once.clone(), &[KEY.to_owned()]), once);
    }
}
