//! The tree while it becomes a root: every place in it is found beneath it, whatever links it has, before anything of the host is let go of.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::resolve::Links;

/// As many links to places that do not exist as are followed.
const MOST_LINKS: u32 = 8;

/// The tree, mounted, opened at its top.
pub struct Tree {
    root: Dir,
}

/// A place in the tree to mount on.
pub struct Place {
    fd: OwnedFd,
    shown: PathBuf,
}

impl Tree {
    /// The tree of which this is the top.
    pub fn new(root: Dir) -> Self {
        Tree { root }
    }

    /// The folder at an absolute path inside, made if it is missing. What was mounted there last is seen.
    pub fn folder(&self, path: &Path) -> Result<Dir> {
        self.folder_by(path, MOST_LINKS)
    }

    /// The folder as a place to mount on.
    pub fn folder_place(&self, path: &Path) -> Result<Place> {
        let dir = self.folder(path)?;
        Ok(Place { shown: dir.shown(""), fd: dir.into() })
    }

    /// The file at an absolute path inside as a place to mount on, made if it is missing, also where a link says that it should be.
    pub fn file_place(&self, path: &Path) -> Result<Place> {
        self.file_by(path, MOST_LINKS)
    }

    fn folder_by(&self, path: &Path, links: u32) -> Result<Dir> {
        match self.root.dir_with(below(path), Links::InRoot) {
            Err(error) if error.is_not_found() && links > 0 => {}
            other => return other,
        }
        let (parent, name) = self.parent(path, links)?;
        match parent.make_dir(name, 0o755) {
            Err(error) if error.os_error() == Some(libc::EEXIST) => {
                self.folder_by(&led_to(path, &parent, name)?, links - 1)
            }
            made => made.and_then(|()| self.root.dir_with(below(path), Links::InRoot)),
        }
    }

    fn file_by(&self, path: &Path, links: u32) -> Result<Place> {
        match self.root.open_with(below(path), OFlag::O_PATH, 0, Links::InRoot) {
            Err(error) if error.is_not_found() && links > 0 => {}
            other => return Ok(Place { fd: other?, shown: self.root.shown(below(path)) }),
        }
        let (parent, name) = self.parent(path, links)?;
        match parent.create(name, 0o644) {
            Err(error) if [Some(libc::EEXIST), Some(libc::ELOOP)].contains(&error.os_error()) => {
                self.file_by(&led_to(path, &parent, name)?, links - 1)
            }
            made => Ok(Place { fd: made?.into(), shown: self.root.shown(below(path)) }),
        }
    }

    fn parent<'p>(&self, path: &'p Path, links: u32) -> Result<(Dir, &'p Path)> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok((self.folder_by(parent, links)?, Path::new(name))),
            _ => Err(Error::refused(format!(
                "there is no {} in the chroot, and it cannot be made",
                path.display()
            ))),
        }
    }
}

impl Place {
    /// Mounts there.
    pub fn mount(
        &self,
        source: Option<&Path>,
        kind: Option<&str>,
        flags: MsFlags,
        data: Option<&str>,
    ) -> Result<()> {
        self.try_mount(source, kind, flags, data).or_cannot("mount", &self.shown)
    }

    /// Mounts there, for callers that know what else to do.
    pub fn try_mount(
        &self,
        source: Option<&Path>,
        kind: Option<&str>,
        flags: MsFlags,
        data: Option<&str>,
    ) -> nix::Result<()> {
        mount(source, &self.path(), kind, flags, data)
    }

    /// A path by which this process reaches it.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }
}

/// The path relative to the top, which is what is looked up there.
fn below(path: &Path) -> &Path {
    match path.strip_prefix("/") {
        Ok(relative) if relative.as_os_str().is_empty() => Path::new("."),
        Ok(relative) => relative,
        Err(_) => path,
    }
}

/// Where the link `name` leads; what another process has just made in its place is no link, and is there now.
fn led_to(path: &Path, parent: &Dir, name: &Path) -> Result<PathBuf> {
    match parent.read_link(name) {
        Err(error) if error.os_error() == Some(libc::EINVAL) => Ok(path.to_owned()),
        target => Ok(linked(path, &target?)),
    }
}

/// Where a link at `path` leads.
fn linked(path: &Path, target: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).join(target)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn places_are_made_where_links_say_but_never_outside() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("top");
        fs::create_dir_all(top.join("etc")).unwrap();
        symlink("../run/a/b.conf", top.join("etc/b.conf")).unwrap();
        symlink("../../../../out", top.join("climbs")).unwrap();
        symlink(place.path(), top.join("away")).unwrap();
        symlink("turns", top.join("turns")).unwrap();
        let tree = Tree::new(Dir::open(&top).unwrap());
        tree.file_place(Path::new("/etc/b.conf")).unwrap();
        assert!(top.join("run/a/b.conf").is_file());
        tree.folder(Path::new("/climbs")).unwrap();
        assert!(top.join("out").is_dir() && !place.path().join("out").exists());
        tree.file_place(Path::new("/away/x")).unwrap();
        assert!(!place.path().join("x").exists());
        assert!(tree.file_place(Path::new("/turns")).is_err());
        tree.folder(Path::new("/")).unwrap();
    }
}
