//! The root filesystem that is being configured.

use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::Path;

use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid};
use system::dir::Dir;
use system::resolve::Links;
use system::step::change;
use system::{Error, Result, atomic};

/// A root filesystem. Links in paths are followed as if it were booted, so that none leads out of it.
#[derive(Debug)]
pub struct Tree {
    root: Dir,
}

/// The owner and the permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub user: u32,
    /// The group.
    pub group: u32,
}

impl Access {
    /// Owned by root, with these permissions.
    pub fn root(mode: u32) -> Self {
        Access { mode, user: 0, group: 0 }
    }
}

impl Tree {
    /// The tree in this folder.
    pub fn open(path: &Path) -> Result<Tree> {
        Ok(Tree { root: Dir::open(path)? })
    }

    /// The folder at `path`, which has to exist.
    pub fn folder(&self, path: &Path) -> Result<Dir> {
        if path.as_os_str().is_empty() {
            return self.root.duplicate();
        }
        self.root.dir_with(path, Links::InRoot)
    }

    /// The folder at `path`. A missing folder is made with these permissions, and so are missing folders above it; all belong to root.
    pub fn ensure_folder(&self, path: &Path, mode: u32) -> Result<Dir> {
        match self.folder(path) {
            Err(error) if error.is_not_found() => {}
            found => return found,
        }
        let parent = match path.parent() {
            Some(parent) => self.ensure_folder(parent, 0o755)?,
            None => self.root.duplicate()?,
        };
        let name = path.file_name().unwrap_or_default();
        parent.make_dir(name, 0o700).map_err(|error| match error.os_error() {
            Some(errno) if errno == nix::libc::EEXIST => Error::refused(format!(
                "{} is a link that leads to no folder in the tree; make that folder, or remove the link",
                parent.shown(name).display()
            )),
            _ => error,
        })?;
        let folder = parent.dir(name)?;
        set_access(&folder, Access::root(mode))?;
        Ok(folder)
    }

    /// Splits a path into its folder, which has to exist, and its name.
    pub fn place<'a>(&self, path: &'a Path) -> Result<(Dir, &'a str)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| Error::refused(format!("{} cannot be the path of a file", path.display())))?;
        Ok((self.folder(path.parent().unwrap_or(Path::new("")))?, name))
    }
}

/// Writes a file. A file of the same name is replaced.
pub fn write(folder: &Dir, name: &str, mut content: impl Read, access: Access) -> Result<()> {
    let shown = folder.shown(name);
    atomic::replace(folder, name, |temporary| {
        let mut file = folder.create(temporary, 0o600)?;
        change("write", &shown, || io::copy(&mut content, &mut file))?;
        change("change owner of", &shown, || fchown(&file, Some(access.user), Some(access.group)))?;
        change("change mode of", &shown, || file.set_permissions(Permissions::from_mode(access.mode)))
    })
}

/// Sets the owner and permissions of a folder.
pub fn set_access(folder: &Dir, access: Access) -> Result<()> {
    let (user, group) = (Uid::from_raw(access.user), Gid::from_raw(access.group));
    change("change owner of", folder.shown(""), || nix::unistd::fchown(folder, Some(user), Some(group)))?;
    change("change mode of", folder.shown(""), || fchmod(folder, Mode::from_bits_truncate(access.mode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_nothing_is_named() {
        let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), place.path().join("etc")).unwrap();
        let tree = Tree::open(place.path()).unwrap();
        let told = tree.ensure_folder(Path::new("etc/network"), 0o755).unwrap_err().to_string();
        assert!(told.contains("etc is a link that leads to no folder in the tree"), "{told}");
    }
}
