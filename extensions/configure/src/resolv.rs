//! `/etc/resolv.conf`: the name servers of the machine.

use std::path::Path;

use nix::sys::stat::{FileStat, SFlag};
use system::Result;
use system::atomic;
use system::dir::{Dir, MOST_TEXT};
use system::error::if_exists;
use system::observer::Observer;

use crate::tree::{self, Access, Tree};
use crate::units;

/// The unit that collects name servers from all sources.
const RESOLVED: &str = "systemd-resolved.service";
/// Its list, as a link in `/etc` names it.
const STUB: &str = "../run/systemd/resolve/stub-resolv.conf";
const FILE: &str = "resolv.conf";

/// What the tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// No file, or one without name servers.
    Nothing,
    /// A file with name servers.
    File,
    /// A link: some program of the tree writes the file.
    Link,
}

/// Sees to it that the name servers are used: these, and those that networkd learns from DHCP if `learns` is set.
pub fn configure(tree: &Tree, servers: &[String], learns: bool, observer: &dyn Observer) -> Result<()> {
    let etc = tree.ensure_folder(Path::new("etc"), 0o755)?;
    let found = found(&etc)?;
    if units::has(tree, RESOLVED)? {
        units::enable(tree, RESOLVED, observer)?;
        match found {
            Found::Nothing => atomic::link(&etc, STUB, FILE)?,
            Found::File => observer.warn(format!(
                "/etc/{FILE} of the tree stays: its name servers count, not those of {RESOLVED}"
            )),
            Found::Link => {}
        }
        return Ok(());
    }
    if servers.is_empty() {
        if learns && found == Found::Nothing {
            observer.warn("the name servers that DHCP gives are not used: the tree has no systemd-resolved");
        }
        return Ok(());
    }
    match found {
        Found::Link => observer.note(format!("/etc/{FILE} of the tree stays: it is a link")),
        Found::File => observer.warn(format!("/etc/{FILE} of the tree is replaced")),
        Found::Nothing => {}
    }
    if found == Found::Link {
        return Ok(());
    }
    let lines: Vec<String> = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    tree::write(&etc, FILE, lines.concat().as_bytes(), Access::root(0o644))
}

fn found(etc: &Dir) -> Result<Found> {
    let is_link = |stat: FileStat| stat.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFLNK.bits();
    if etc.stat_of(FILE)?.is_some_and(is_link) {
        return Ok(Found::Link);
    }
    let text = if_exists(etc.read(FILE, MOST_TEXT))?.unwrap_or_default();
    let has_server =
        String::from_utf8_lossy(&text).lines().any(|line| line.trim_start().starts_with("nameserver"));
    Ok(if has_server { Found::File } else { Found::Nothing })
}
