//! Enables systemd's units, with the links that `systemctl enable` makes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::libc;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Result, if_exists};
use system::observer::Observer;
use system::resolve::Links;

use crate::tree::Tree;

/// The folders of units in a tree, beside the administrator's.
pub const FOLDERS: [&str; 2] = ["usr/lib/systemd/system", "lib/systemd/system"];
/// The administrator's folder, in which the links are made.
const OWN: &str = "etc/systemd/system";
/// The target of a link that forbids a unit.
const NOTHING: &str = "/dev/null";

/// The lines of a unit's section `[Install]`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Install {
    wanted_by: Vec<String>,
    required_by: Vec<String>,
    alias: Vec<String>,
    also: Vec<String>,
}

/// Whether the tree has the unit.
pub fn has(tree: &Tree, name: &str) -> Result<bool> {
    Ok(find(tree, name)?.is_some())
}

/// Enables the unit, and those that it enables with itself. A unit that the tree forbids stays forbidden.
pub fn enable(tree: &Tree, name: &str, observer: &dyn Observer) -> Result<()> {
    let own = tree.ensure_folder(Path::new(OWN), 0o755)?;
    let (mut waiting, mut seen) = (vec![name.to_owned()], BTreeSet::new());
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let Some((place, install)) = find(tree, &name)? else { continue };
        if target_of(&own, &name)?.is_some_and(|target| target == Path::new(NOTHING)) {
            observer.warn(format!("{name} is masked in the tree, and stays so"));
            continue;
        }
        for (folders, ending) in [(&install.wanted_by, "wants"), (&install.required_by, "requires")] {
            for target in folders {
                let folder = tree.ensure_folder(&Path::new(OWN).join(format!("{target}.{ending}")), 0o755)?;
                link(&folder, &place, &name)?;
            }
        }
        for alias in &install.alias {
            link(&own, &place, alias)?;
        }
        observer.phase(format!("enabled {name}"));
        waiting.extend(install.also);
    }
    Ok(())
}

/// The path of the unit on the machine, and its section `[Install]`.
fn find(tree: &Tree, name: &str) -> Result<Option<(PathBuf, Install)>> {
    for folder in FOLDERS {
        let Some(dir) = if_exists(tree.folder(Path::new(folder)))? else { continue };
        if let Some(bytes) = if_exists(dir.read_with(name, Links::InRoot, MOST_TEXT))? {
            let path = Path::new("/").join(folder).join(name);
            return Ok(Some((path, parse(&String::from_utf8_lossy(&bytes)))));
        }
    }
    Ok(None)
}

/// Makes a link, unless there is something of this name.
fn link(folder: &Dir, place: &Path, name: &str) -> Result<()> {
    if folder.has(name)? { Ok(()) } else { folder.symlink(place, name) }
}

/// The target of a link; `None` if there is no link.
fn target_of(folder: &Dir, name: &str) -> Result<Option<PathBuf>> {
    match folder.read_link(name) {
        Ok(target) => Ok(Some(target)),
        Err(error) if matches!(error.os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Install {
    let (mut install, mut inside) = (Install::default(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Install]";
        }
        let Some((key, value)) = line.split_once('=').filter(|_| inside) else { continue };
        let list = match key.trim() {
            "WantedBy" => &mut install.wanted_by,
            "RequiredBy" => &mut install.required_by,
            "Alias" => &mut install.alias,
            "Also" => &mut install.also,
            _ => continue,
        };
        if value.trim().is_empty() {
            list.clear();
        }
        // A name with a slash is none, and would lead elsewhere.
        list.extend(value.split_whitespace().filter(|name| !name.contains('/')).map(str::to_owned));
    }
    install
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_section_install_counts() {
        let text = "[Unit]\nWantedBy=no.target\n[Install]\nWantedBy=a.target b.target\n# Alias=no.service\nAlias=c.service\n\
                    Also=x.socket\nAlso=\nAlso=y.socket ../z\nRequiredBy=d.target\n[Service]\nAlias=no.service\n";
        let list = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let expected = Install {
            wanted_by: list(&["a.target", "b.target"]),
            required_by: list(&["d.target"]),
            alias: list(&["c.service"]),
            also: list(&["y.socket"]),
        };
        assert_eq!(parse(text), expected);
    }
}
