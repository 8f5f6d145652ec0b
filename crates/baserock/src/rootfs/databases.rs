//! Package databases. They list what is in a version, so they belong to the version, although they are in `/var`, which all versions share.
//!
//! A version keeps its own below [`SYSIMAGE`], and mounts it over the place where the tools for packages look for it.

use std::path::{Path, PathBuf};

use system::dir::Dir;
use system::error::Result;

use crate::fstab::{Fstab, Line};
use crate::layout::{SYSIMAGE, VAR};

/// A package database.
#[derive(Debug, PartialEq, Eq)]
pub struct Database {
    /// The directory below `/var`.
    pub place: &'static str,
    /// Its name below [`SYSIMAGE`].
    pub name: &'static str,
}

/// All that are known. Those of other systems, such as Alpine's in `/lib/apk` and OpenWrt's in `/usr/lib/opkg`, are in the tree itself.
pub const DATABASES: [Database; 18] = {
    const fn of(place: &'static str, name: &'static str) -> Database {
        Database { place, name }
    }
    [
        of("db/paludis", "paludis"),
        of("db/pkg", "portage"),
        of("db/xbps", "xbps"),
        of("lib/apk", "apk"),
        of("lib/apt", "apt"),
        of("lib/dnf", "dnf"),
        of("lib/dpkg", "dpkg"),
        of("lib/eopkg", "eopkg"),
        of("lib/opkg", "opkg"),
        of("lib/pacman", "pacman"),
        of("lib/pkgtools", "pkgtools"),
        of("lib/portage", "portage-world"),
        of("lib/rpm", "rpm"),
        of("lib/xbps", "xbps-lib"),
        of("lib/yum", "yum"),
        of("lib/zypp", "zypp"),
        of("log/packages", "pkgtools-packages"),
        of("log/scripts", "pkgtools-scripts"),
    ]
};

impl Database {
    /// The path in the tree at which tools look for it: `var/lib/dpkg`.
    pub fn in_tree(&self) -> PathBuf {
        Path::new(VAR).join(self.place)
    }

    /// The path in the version at which it is kept: `usr/lib/sysimage/dpkg`.
    pub fn kept(&self) -> PathBuf {
        Path::new(SYSIMAGE).join(self.name)
    }

    /// The line of fstab that mounts it.
    pub fn line(&self) -> Line {
        Line::database(&self.kept(), &self.in_tree())
    }
}

/// The databases of a tree that its version can keep. One that is a link leads to a place in the tree, and is the version's own already.
pub fn of_tree(orig: &Dir) -> Result<Vec<&'static Database>> {
    let mut found = Vec::new();
    for database in &DATABASES {
        if is_directory(orig, &database.in_tree())?
            && orig.stat_beneath(&database.kept())?.is_none()
            && can_hold(orig, Path::new(SYSIMAGE))?
        {
            found.push(database);
        }
    }
    Ok(found)
}

/// The databases that the version keeps for itself.
pub fn kept(orig: &Dir, run: &Dir) -> Result<Vec<&'static Database>> {
    let mut kept = of_tree(orig)?;
    let mut outcome = Ok(());
    kept.retain(|database| {
        is_directory(run, &database.kept()).unwrap_or_else(|error| {
            outcome = Err(error);
            false
        })
    });
    outcome.map(|()| kept)
}

/// The databases that a new version of this tree is going to keep for itself: all but those whose places its fstab mounts already.
pub fn to_keep(orig: &Dir, fstab: &Fstab) -> Result<Vec<&'static Database>> {
    let mut databases = of_tree(orig)?;
    databases.retain(|database| !fstab.mounts(&Path::new("/").join(database.in_tree())));
    Ok(databases)
}

/// Moves the databases of a new version that are [to keep](to_keep) in its `run` to where it keeps them.
pub fn keep(run: &Dir, databases: &[&Database]) -> Result<()> {
    for database in databases {
        let mut holder = run.duplicate()?;
        for name in Path::new(SYSIMAGE) {
            holder = holder.ensure_dir(Path::new(name), 0o755)?;
        }
        run.rename(database.in_tree(), database.kept())?;
    }
    Ok(())
}

/// Makes the mount points of kept databases where `/var` is the version's own.
pub fn make_places(orig: &Dir, run: &Dir) -> Result<()> {
    for database in kept(orig, run)? {
        let place = database.in_tree();
        if let (Some(parent), Some(name)) = (place.parent(), place.file_name())
            && let Some(above) = run.dir_if_exists(parent)?
        {
            above.ensure_dir(Path::new(name), 0o755)?;
        }
    }
    Ok(())
}

fn is_directory(tree: &Dir, path: &Path) -> Result<bool> {
    Ok(tree.stat_beneath(path)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR))
}

/// Whether the directory can be made in the tree: nothing on the way is anything but a directory.
fn can_hold(tree: &Dir, path: &Path) -> Result<bool> {
    for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        if tree.stat_beneath(part)?.is_some() {
            return is_directory(tree, part);
        }
    }
    Ok(true)
}
