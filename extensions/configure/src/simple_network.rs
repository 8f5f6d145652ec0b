//! `simple-network`: configures interfaces, for networkd and for ifupdown.

use std::path::Path;

use baserock::extension::Environment;
use system::observer::Observer;
use system::{Error, Result};

use crate::network::{self, Interface};
use crate::tree::{self, Access, Tree};

/// The default configuration for ifupdown.
const USUAL: &str = "lo:loopback;eth0:dhcp";

/// The default configuration for networkd. It accepts patterns, so this one matches all names that the kernel gives to wired interfaces.
const USUAL_PATTERN: &str = "e*:dhcp";

/// The folder of networkd.
const UNITS: &str = "etc/systemd/network";

/// Writes `etc/network/interfaces`, and a file for networkd for each interface of `NETWORK_CONFIG`. Without it, wired interfaces ask a DHCP
/// server.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let parse = |text: &str| {
        network::parse(text).map_err(|reason| Error::refused(format!("NETWORK_CONFIG: {reason}")))
    };
    let (interfaces, units) = match environment.text("NETWORK_CONFIG")?.filter(|text| !text.trim().is_empty())
    {
        Some(text) => (parse(text)?, parse(text)?),
        None => (parse(USUAL)?, parse(USUAL_PATTERN)?),
    };
    let tree = Tree::open(root)?;
    write_interfaces(&tree, &interfaces)?;
    write_units(&tree, &units, observer)
}

fn write_interfaces(tree: &Tree, interfaces: &[Interface]) -> Result<()> {
    let text: Vec<String> = interfaces.iter().map(Interface::stanza).collect();
    let folder = tree.ensure_folder(Path::new("etc/network"), 0o755)?;
    tree::write(&folder, "interfaces", text.join("\n").as_bytes(), Access::root(0o644))
}

fn write_units(tree: &Tree, interfaces: &[Interface], observer: &dyn Observer) -> Result<()> {
    let folder = tree.ensure_folder(Path::new(UNITS), 0o755)?;
    for interface in interfaces {
        let Some(text) = interface.unit() else { continue };
        // networkd takes the first file that matches. So a pattern comes after plain names, and both come before the files of packages.
        let order = if interface.name.contains(['*', '?']) { "09" } else { "05" };
        let name = format!("{order}-{}.network", interface.name.replace(['*', '?'], "any"));
        tree::write(&folder, &name, text.as_bytes(), Access::root(0o644))?;
        observer.phase(format!("wrote /{UNITS}/{name}"));
    }
    Ok(())
}
