//! Finds links in a merged `etc` that led somewhere in the old version and lead nowhere in the new one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use system::dir::Dir;
use system::error::Result;
use system::inode::is_link;
use system::resolve::Links;

use super::staged::ETC;
use crate::etc::{Action, EtcPath, Kind, Plan, Tree};
use crate::naming::NAMED;

/// Links that are followed one after the other.
const MOST_LINKS: usize = 40;

/// Points out the links that lead nowhere in the new version, of which `orig` is the tree as built. `old` is the old version as the user left
/// it. Returns the number of those that are only counted.
pub fn point_out(plan: &mut Plan, old: &Dir, orig: &Dir) -> Result<usize> {
    let mut found = Vec::new();
    for (path, node) in plan.result.iter() {
        let Kind::Symlink(target) = &node.kind else { continue };
        let place = Path::new(ETC).join(path.as_path());
        if led_somewhere(old, &place)? && !leads_somewhere(&plan.result, orig, &place, MOST_LINKS)? {
            found.push((path.clone(), EtcPath::from(&target[..])));
        }
    }
    for (path, target) in found.iter().take(NAMED) {
        let note = format!("leads to {target}, which the new version lacks; point it elsewhere or remove it");
        plan.point_out(path, Action::Keep, note);
    }
    Ok(found.len().saturating_sub(NAMED))
}

/// Whether the path is a link to something in the old version.
fn led_somewhere(old: &Dir, path: &Path) -> Result<bool> {
    Ok(old.stat_beneath(path)?.is_some_and(|stat| is_link(&stat)) && exists(old, path)?)
}

/// Whether there is something at the path from the root: in the merged `etc`, or elsewhere in the tree as built.
fn leads_somewhere(etc: &Tree, orig: &Dir, path: &Path, links: usize) -> Result<bool> {
    let Ok(inside) = path.strip_prefix(ETC) else { return exists(orig, path) };
    let mut here = EtcPath::ROOT;
    let mut rest = inside.components();
    while let Some(part) = rest.next() {
        let folder = here;
        here = folder.join(part.as_os_str().as_bytes());
        match etc.get(&here).map(|node| &node.kind) {
            None => return Ok(false),
            Some(Kind::Symlink(_)) if links == 0 => return Ok(false),
            Some(Kind::Symlink(target)) => {
                let folder = Path::new(ETC).join(folder.as_path());
                let mut next = follow(&folder, Path::new(OsStr::from_bytes(target)));
                // An empty rest would add a slash, which asks for a directory.
                next.extend(rest);
                return leads_somewhere(etc, orig, &next, links - 1);
            }
            Some(_) => {}
        }
    }
    Ok(true)
}

/// The place to which a link in the folder leads. Both are paths from the root.
fn follow(folder: &Path, target: &Path) -> PathBuf {
    let mut place = if target.is_absolute() { PathBuf::new() } else { folder.to_owned() };
    for part in target.components() {
        match part {
            Component::Normal(name) => place.push(name),
            Component::ParentDir => drop(place.pop()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    place
}

/// Whether there is something at the path, with the tree as `/`.
fn exists(tree: &Dir, path: &Path) -> Result<bool> {
    if path.as_os_str().is_empty() {
        return Ok(true);
    }
    match tree.open_with(path, OFlag::O_PATH, 0, Links::InRoot) {
        Err(error) if matches!(error.os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
            Ok(false)
        }
        found => found.map(|_| true),
    }
}
