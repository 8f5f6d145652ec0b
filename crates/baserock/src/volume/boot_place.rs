//! The place where boot loaders look: the top of the volume, or a separate boot filesystem.

use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, fstat};
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, OrCannot, Result, if_exists};
use system::fat::Mirror;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::resolve::Links;
use system::walk::{Visit, Walk};

use crate::boot::Menu;
use crate::label::ExistingLabel;
use crate::layout::{self, DTB, INITRAMFS, KERNEL, MENU, MENU_DIR};

/// The directory with the menu and `systems/LABEL/{kernel,initramfs,dtb}`.
#[derive(Debug)]
pub struct BootPlace {
    dir: Dir,
    kind: Kind,
    path: PathBuf,
    resources: Resources,
}

/// The resources that the boot place keeps alive.
#[derive(Debug)]
enum Resources {
    /// Nothing, because its filesystem is mounted anyway.
    Nothing,
    /// A boot filesystem that is mounted for it. The fields are in the order in which they must be dropped.
    Mounted { _mount: PrivateMount, _device: Option<LoopDevice> },
    /// A FAT that is read and written without a mount.
    Mirrored(Mirror),
}

/// The kind of boot filesystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is the volume itself.
    Volume,
    /// Another filesystem with symbolic links (ext4).
    Separate,
    /// FAT: it has no symbolic links, and does not distinguish upper and lower case.
    Fat,
}

impl BootPlace {
    /// A boot place in this directory. Other programs find it at `path`.
    pub fn new(dir: Dir, path: &Path, kind: Kind) -> Self {
        BootPlace { dir, kind, path: path.to_owned(), resources: Resources::Nothing }
    }

    /// A boot place on a filesystem that was mounted for it. Its device may have been attached for it, too.
    pub(super) fn mounted(mount: PrivateMount, device: Option<LoopDevice>) -> Result<Self> {
        let dir = Dir::open(mount.path())?.shown_as("/boot");
        let path = mount.path().to_owned();
        Ok(BootPlace {
            dir,
            kind: Kind::Separate,
            path,
            resources: Resources::Mounted { _mount: mount, _device: device },
        })
    }

    /// A boot place on a FAT that is not mounted.
    pub(super) fn mirrored(mirror: Mirror) -> Result<Self> {
        let dir = Dir::open(mirror.path())?.shown_as("/boot");
        Ok(BootPlace {
            dir,
            kind: Kind::Fat,
            path: mirror.path().to_owned(),
            resources: Resources::Mirrored(mirror),
        })
    }

    /// The path of the directory, for this process and its children.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The FAT behind the directory, if it is not mounted. Changes of the directory must be pushed to it.
    pub fn mirror(&self) -> Option<&Mirror> {
        match &self.resources {
            Resources::Mirrored(mirror) => Some(mirror),
            _ => None,
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The kind of the filesystem.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The menu; `None` if there is none. If there are two different ones, the one that syslinux reads counts.
    pub fn menu(&self) -> Result<Option<Menu>> {
        let Some(path) = self.menu_path()? else { return Ok(None) };
        let bytes = self.dir.read(&path, MOST_TEXT)?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::malformed(self.dir.shown(&path), "not text"))?;
        Ok(Some(Menu::parse(&text)))
    }

    /// Whether `/extlinux.conf` is a file of its own. The original `set-default` leaves one.
    pub fn menu_is_detached(&self) -> Result<bool> {
        Ok(self.dir.stat_of(MENU)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG))
    }

    /// Whether a version has this boot file, and the file has content. The device trees may be a directory.
    pub fn has(&self, label: &ExistingLabel, name: &str) -> Result<bool> {
        let stat = self.dir.stat_of(layout::in_version(label, name))?;
        Ok(stat.is_some_and(|stat| has_content(&stat)))
    }

    /// Whether a boot loader finds a file with content, or a directory, at this path of a menu. It follows links in this filesystem.
    pub fn holds(&self, path: &str) -> Result<bool> {
        let found = match self.dir.open_with(path, OFlag::O_PATH, 0, Links::InRoot) {
            Err(error)
                if matches!(error.os_error(), Some(libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG)) =>
            {
                None
            }
            outcome => if_exists(outcome)?,
        };
        let stat = found.map(|found| fstat(&found).or_cannot("examine", self.dir.shown(path))).transpose()?;
        Ok(stat.is_some_and(|stat| has_content(&stat)))
    }

    /// The version's boot files, as paths in [`BootPlace::dir`]: kernel, initramfs, and device trees.
    pub fn files(&self, label: &ExistingLabel) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in [KERNEL, INITRAMFS, DTB].map(|name| layout::in_version(label, name)) {
            match self.dir.stat_beneath(&path)?.map(|stat| stat.st_mode & libc::S_IFMT) {
                None => {}
                Some(libc::S_IFDIR) => {
                    let mut walk = Walk::new(self.dir.dir(&path)?)?;
                    while let Some(visit) = walk.next()? {
                        if let Visit::Name(place) = visit {
                            files.push(path.join(place.path));
                        }
                    }
                }
                Some(_) => files.push(path),
            }
        }
        Ok(files)
    }

    fn menu_path(&self) -> Result<Option<PathBuf>> {
        if self.menu_is_detached()? {
            return Ok(Some(MENU.into()));
        }
        let path = Path::new(MENU_DIR).join(MENU);
        Ok(self.dir.has(&path)?.then_some(path))
    }
}

fn has_content(stat: &FileStat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFDIR || stat.st_size > 0
}
