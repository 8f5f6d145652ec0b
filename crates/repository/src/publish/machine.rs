//! What makes a tree one machine's: it is not published.

use system::dir::Dir;
use system::error::Result;

use crate::refusal::Refusal;

/// The name of this machine among all, which is empty or a word in a tree for many.
const MACHINE_ID: &str = "etc/machine-id";
const NO_MACHINE: [&str; 2] = ["", "uninitialized"];
/// The folder of ssh's keys.
const SSH: &str = "etc/ssh";
/// Bytes of a machine's name at most.
const MOST: u64 = 4096;

/// Refuses a tree that has the name or the keys of one machine.
pub fn refuse(tree: &Dir) -> Result<()> {
    let mut found = Vec::new();
    if let Some(name) = tree.read_if_exists(MACHINE_ID, MOST)?
        && !NO_MACHINE.contains(&String::from_utf8_lossy(&name).trim())
    {
        found.push(format!("a name in /{MACHINE_ID}"));
    }
    if let Some(ssh) = tree.dir_if_exists(SSH)? {
        let is_key = |name: &str| name.starts_with("ssh_host_") && name.ends_with("_key");
        let mut names: Vec<String> =
            ssh.entries()?.iter().map(|entry| entry.name.to_string_lossy().into_owned()).collect();
        names.sort();
        found.extend(names.into_iter().filter(|name| is_key(name)).map(|name| format!("/{SSH}/{name}")));
    }
    if found.is_empty() { Ok(()) } else { Err(Refusal::OneMachine { found }.into()) }
}
