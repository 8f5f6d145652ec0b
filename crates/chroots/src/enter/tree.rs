//! The tree before it becomes the root. Links in it are resolved as if it were the root, so no path leads outside.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result, if_exists};
use system::resolve::Links;

/// Most links to missing places that are followed.
const MOST_LINKS: u32 = 8;

/// The mounted tree.
pub struct Tree {
    root: Dir,
    keeps: bool,
}

/// A place in the tree to mount on.
pub struct Place {
    fd: OwnedFd,
    shown: PathBuf,
}

impl Tree {
    /// The tree with this top folder. If it `keeps` what it has, places are made only in memory.
    pub fn new(root: Dir, keeps: bool) -> Self {
        Tree { root, keeps }
    }

    /// Whether places are made only in memory.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether there is anything at an absolute path inside.
    pub fn has(&self, path: &Path) -> Result<bool> {
        Ok(if_exists(self.root.open_with(below(path), OFlag::O_PATH, 0, Links::InRoot))?.is_some())
    }

    /// The folder at an absolute path inside. It is made if it is missing. If something is mounted there, this is the top of the last
    /// mount.
    pub fn folder(&self, path: &Path) -> Result<Dir> {
        self.folder_by(path, MOST_LINKS)
    }

    /// Whatever is at an absolute path inside, as a place to mount on.
    pub fn existing_place(&self, path: &Path) -> Result<Place> {
        let fd = self.root.open_with(below(path), OFlag::O_PATH, 0, Links::InRoot)?;
        Ok(Place { fd, shown: self.root.shown(below(path)) })
    }

    /// The folder as a place to mount on.
    pub fn folder_place(&self, path: &Path) -> Result<Place> {
        let dir = self.folder(path)?;
        Ok(Place { shown: dir.shown(""), fd: dir.into() })
    }

    /// The file at an absolute path inside as a place to mount on. It is made if it is missing; if the path is a link, at the link's
    /// target.
    pub fn file_place(&self, path: &Path) -> Result<Place> {
        self.file_by(path, MOST_LINKS)
    }

    fn folder_by(&self, path: &Path, links: u32) -> Result<Dir> {
        match self.root.dir_with(below(path), Links::InRoot) {
            Err(error) if error.is_not_found() && links > 0 => {}
            other => return other,
        }
        let (parent, name) = self.parent(path, links)?;
        match self.make(path, &parent, || parent.make_dir(name, 0o755)) {
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
        match self.make(path, &parent, || parent.create(name, 0o644)) {
            Err(error) if [Some(libc::EEXIST), Some(libc::ELOOP)].contains(&error.os_error()) => {
                self.file_by(&led_to(path, &parent, name)?, links - 1)
            }
            made => Ok(Place { fd: made?.into(), shown: self.root.shown(below(path)) }),
        }
    }

    /// Makes the place at `path`, if it may be made in this folder. A link there is an error.
    fn make<T>(&self, path: &Path, parent: &Dir, make: impl FnOnce() -> Result<T>) -> Result<T> {
        let name = path.file_name().map_or(path, Path::new);
        // Where a link is, it is followed instead.
        if !self.keeps || parent.has(name)? || is_in_memory(parent)? {
            return make();
        }
        Err(Error::refused(format!(
            "there is no {}, and nothing is made in an installed version; choose a place that is there, or one below /run or /tmp",
            path.display()
        )))
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
    /// Mounts on this place.
    pub fn mount(
        &self,
        source: Option<&Path>,
        kind: Option<&str>,
        flags: MsFlags,
        data: Option<&str>,
    ) -> Result<()> {
        self.try_mount(source, kind, flags, data).or_cannot("mount", &self.shown)
    }

    /// Mounts on this place. The caller handles the plain error.
    pub fn try_mount(
        &self,
        source: Option<&Path>,
        kind: Option<&str>,
        flags: MsFlags,
        data: Option<&str>,
    ) -> nix::Result<()> {
        mount(source, &self.path(), kind, flags, data)
    }

    /// The place at a relative path below this one. No link is followed.
    pub fn below(&self, name: &Path, top: &Path) -> Result<Place> {
        let shown = top.join(name);
        let dir = self.fd.try_clone().or_cannot("open", &shown)?;
        let fd = Dir::from(dir).shown_as(top).open_with(name, OFlag::O_PATH, 0, Links::Refuse)?;
        Ok(Place { fd, shown })
    }

    /// A path at which this process finds the place.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }
}

fn is_in_memory(dir: &Dir) -> Result<bool> {
    Ok(fstatfs(dir).or_cannot("examine", dir.shown(""))?.filesystem_type() == TMPFS_MAGIC)
}

/// The path relative to the top.
fn below(path: &Path) -> &Path {
    match path.strip_prefix("/") {
        Ok(relative) if relative.as_os_str().is_empty() => Path::new("."),
        Ok(relative) => relative,
        Err(_) => path,
    }
}

/// The target of the link `name`. If it is not a link, another process has just made the place, and `path` itself is returned.
fn led_to(path: &Path, parent: &Dir, name: &Path) -> Result<PathBuf> {
    match parent.read_link(name) {
        Err(error) if error.os_error() == Some(libc::EINVAL) => Ok(path.to_owned()),
        target => Ok(linked(path, &target?)),
    }
}

/// The path to which a link at `path` with this target leads.
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
        let tree = Tree::new(Dir::open(&top).unwrap(), false);
        tree.file_place(Path::new("/etc/b.conf")).unwrap();
        assert!(top.join("run/a/b.conf").is_file());
        tree.folder(Path::new("/climbs")).unwrap();
        assert!(top.join("out").is_dir() && !place.path().join("out").exists());
        tree.file_place(Path::new("/away/x")).unwrap();
        assert!(!place.path().join("x").exists());
        assert!(tree.file_place(Path::new("/turns")).is_err());
        tree.folder(Path::new("/")).unwrap();
    }

    #[test]
    fn a_tree_that_keeps_what_it_has_gets_no_places() {
        // Not in memory, where places may be made.
        let place = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        fs::create_dir(place.path().join("etc")).unwrap();
        symlink("nowhere", place.path().join("etc/resolv.conf")).unwrap();
        let tree = Tree::new(Dir::open(place.path()).unwrap(), true);
        for path in ["/etc/hosts", "/etc/resolv.conf"] {
            assert!(
                tree.file_place(Path::new(path)).is_err() && !tree.has(Path::new(path)).unwrap(),
                "{path}"
            );
        }
        assert!(tree.folder(Path::new("/src")).is_err() && tree.folder(Path::new("/etc")).is_ok());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(place.path().join("etc")).unwrap().count(), 1);
    }
}
