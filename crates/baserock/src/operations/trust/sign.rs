//! Signs, by `ssh-keygen`, so that keys may be in an agent or on a security key.

use baserock_signatures::{REPOSITORY, SignedText};
use system::error::{OrCannot, Result};
use system::process::Program;

use crate::extension::Environment;

/// Fails if there is no such key, before much is done that has to be signed.
pub fn require_key(key: &str) -> Result<()> {
    std::fs::metadata(key).or_cannot("read the key", key).map(drop)
}

/// The text with one more signature, by this key: a private key, or a public one whose private key an agent or a device has.
pub fn sign(file: &str, key: &str) -> Result<String> {
    let text = SignedText::parse(file).text;
    let done = Program::new("ssh-keygen")
        .package("openssh-client")
        .args(["-Y", "sign", "-n", REPOSITORY, "-f", key])
        .input(text)
        .run()?;
    let signature = String::from_utf8_lossy(&done.stdout);
    Ok(format!("{}\n{file}", signature.trim_end()))
}

/// The key of the variable `SIGNING_KEY`, if it is set: a private key of ssh, or a public one whose private key an agent or a device has. Fails
/// if there is no such file, before much is done that has to be signed.
pub fn signing_key(environment: &Environment) -> Result<Option<String>> {
    let key = environment.text("SIGNING_KEY")?.filter(|key| !key.is_empty());
    key.map(|key| require_key(key).map(|()| key.to_owned())).transpose()
}
