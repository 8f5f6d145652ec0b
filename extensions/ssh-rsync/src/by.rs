//! Who pushes.

use std::fs;

use baserock_terminal::user;

/// The name of this machine.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// A program without a person behind it.
const MACHINE: &str = "root";

/// The person, and this machine: `joe@builder`.
pub fn by() -> String {
    let host = fs::read_to_string(HOSTNAME).unwrap_or_default();
    format!("{}@{}", user().as_deref().unwrap_or(MACHINE), host.trim())
}
