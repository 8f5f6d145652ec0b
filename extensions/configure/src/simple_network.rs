//! `simple-network`: configures interfaces, for networkd and for ifupdown, and lets the machine use what it has written.

use std::path::Path;

use baserock::extension::Environment;
use system::dir::{Dir, MOST_TEXT};
use system::error::if_exists;
use system::observer::Observer;
use system::{Error, Result};

use crate::network::{self, Interface, Method};
use crate::tree::{self, Access, Tree};
use crate::{resolv, units};

/// The folder of networkd, and its unit.
const UNITS: &str = "etc/systemd/network";
const NETWORKD: &str = "systemd-networkd.service";

/// The file of ifupdown.
const FILE: &str = "/etc/network/interfaces";
/// Programs that read it.
const IFUP: [&str; 4] = ["usr/sbin/ifup", "sbin/ifup", "usr/bin/ifup", "bin/ifup"];
/// The folders of Debian's ifupdown, which takes patterns as names. That of busybox does not.
const DEBIANS: [&str; 2] = ["usr/lib/ifupdown", "lib/ifupdown"];
/// Another program that configures interfaces.
const MANAGER: &str = "NetworkManager.service";

/// The programs of the tree that read what is written here.
#[derive(Clone, Copy, Debug)]
struct Readers {
    networkd: bool,
    ifupdown: bool,
}

/// Writes `etc/network/interfaces`, and a file for networkd for each interface of `NETWORK_CONFIG`. Without it, wired interfaces ask a DHCP
/// server.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let given = environment.text("NETWORK_CONFIG")?.filter(|text| !text.trim().is_empty());
    let tree = Tree::open(root)?;
    let interfaces = match given {
        Some(text) => {
            network::parse(text).map_err(|reason| Error::refused(format!("NETWORK_CONFIG: {reason}")))?
        }
        None => vec![Interface::loopback(), Interface::wired(has_any(&tree, &DEBIANS)?)],
    };
    let readers = Readers { networkd: units::has(&tree, NETWORKD)?, ifupdown: has_any(&tree, &IFUP)? };
    write_units(&tree, &interfaces, observer)?;
    write_interfaces(&tree, &interfaces, readers, given.is_some(), observer)?;
    if readers.networkd {
        units::enable(&tree, NETWORKD, observer)?;
        if units::has(&tree, MANAGER)? {
            observer.warn("the tree has NetworkManager too; it may configure the same interfaces");
        }
    } else if !readers.ifupdown {
        observer.warn("the tree has neither systemd-networkd nor ifup: nothing in it reads what was written");
    }
    let servers: Vec<String> = interfaces.iter().flat_map(Interface::servers).map(str::to_owned).collect();
    let learns = readers.networkd && interfaces.iter().any(|interface| interface.method == Method::Dhcp);
    resolv::configure(&tree, &servers, learns, observer)
}

/// Writes the file of ifupdown. If the tree has networkd, that configures the interfaces, and no other program has to.
fn write_interfaces(
    tree: &Tree,
    interfaces: &[Interface],
    readers: Readers,
    are_given: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let folder = tree.ensure_folder(Path::new("etc/network"), 0o755)?;
    let found = if_exists(folder.read("interfaces", MOST_TEXT))?;
    let found = found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let own = found.as_deref().map(configured).unwrap_or_default();
    if readers.networkd && found.is_some() {
        if !own.is_empty() && readers.ifupdown {
            observer.warn(format!(
                "{FILE} of the tree stays, and configures {} beside systemd-networkd",
                own.join(", ")
            ));
        }
        return Ok(());
    }
    if !own.is_empty() && !are_given {
        observer.note(format!("{FILE} of the tree stays: it configures {}", own.join(", ")));
        return Ok(());
    }
    let is_shared = readers.networkd && readers.ifupdown;
    let shown = interfaces.iter().filter(|one| !is_shared || one.method == Method::Loopback);
    let mut text: Vec<String> = shown.map(Interface::stanza).collect();
    let sources = found.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("source"));
    text.extend(sources.map(|line| format!("{line}\n")));
    let text = text.join("\n");
    if found.as_ref().is_some_and(|found| *found != text) {
        let what =
            if own.is_empty() { String::new() } else { format!(", which configured {}", own.join(", ")) };
        observer.warn(format!("{FILE} of the tree is replaced{what}"));
    }
    tree::write(&folder, "interfaces", text.as_bytes(), Access::root(0o644))
}

/// The interfaces that the file configures, except the loopback interface.
fn configured(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some("iface"), Some(name)) = (words.next(), words.next())
            && name != "lo"
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    names
}

fn write_units(tree: &Tree, interfaces: &[Interface], observer: &dyn Observer) -> Result<()> {
    let folder = tree.ensure_folder(Path::new(UNITS), 0o755)?;
    for interface in interfaces {
        let Some(text) = interface.unit() else { continue };
        // networkd takes the first file that matches. So a pattern comes after plain names, and both come before the files of packages.
        let order = if interface.is_pattern() { "09" } else { "05" };
        let name = format!("{order}-{}.network", interface.name.replace(['*', '?'], "any"));
        write_unit(&folder, &name, &text)?;
        observer.phase(format!("wrote /{UNITS}/{name}"));
        for option in interface.unknown() {
            observer.warn(format!(
                "{}: {option}= is for ifupdown alone; systemd-networkd does not get it",
                interface.name
            ));
        }
    }
    Ok(())
}

fn write_unit(folder: &Dir, name: &str, text: &str) -> Result<()> {
    tree::write(folder, name, text.as_bytes(), Access::root(0o644))
}

/// Whether the tree has one of these paths.
fn has_any(tree: &Tree, paths: &[&str]) -> Result<bool> {
    for path in paths.iter().map(Path::new) {
        let Some(folder) = if_exists(tree.folder(path.parent().unwrap_or(path)))? else { continue };
        if folder.has(path.file_name().unwrap_or_default())? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::configured;

    #[test]
    fn a_file_configures_interfaces_beside_the_loopback_one() {
        let text = "# iface no inet dhcp\nauto lo\niface lo inet loopback\nsource x/*\niface br0 inet static\n  address 1\niface br0 inet6 auto\n";
        assert_eq!(configured(text), ["br0"]);
    }
}
