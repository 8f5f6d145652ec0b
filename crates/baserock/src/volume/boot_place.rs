//! Where boot loaders look: the top of the volume, or a boot filesystem of its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result};
use system::fat::Mirror;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;

use crate::boot::Menu;
use crate::label::ExistingLabel;
use crate::layout::{self, MENU, MENU_DIR};

/// The directory with the menu and `systems/LABEL/{kernel,initramfs,dtb}`.
#[derive(Debug)]
pub struct BootPlace {
    dir: Dir,
    kind: Kind,
    path: PathBuf,
    own: Own,
}

/// What the boot place keeps alive for itself.
#[derive(Debug)]
enum Own {
    /// Nothing: it is somewhere that is mounted anyway.
    Nothing,
    /// A boot filesystem that is mounted for it. In the order in which they have to end.
    Mounted { _mount: PrivateMount, _device: Option<LoopDevice> },
    /// A FAT that is read and written without mounting it.
    Mirrored(Mirror),
}

/// What the boot filesystem can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is the volume itself.
    Volume,
    /// Another filesystem with symbolic links (ext4).
    Separate,
    /// FAT: no symbolic links, no upper and lower case.
    Fat,
}

impl BootPlace {
    /// The boot files are in this directory, which is at `path` for other programs.
    pub fn new(dir: Dir, path: &Path, kind: Kind) -> Self {
        BootPlace { dir, kind, path: path.to_owned(), own: Own::Nothing }
    }

    /// The boot files are on a filesystem that was mounted for this, from a device that may have been attached for it.
    pub(super) fn mounted(mount: PrivateMount, device: Option<LoopDevice>) -> Result<Self> {
        let dir = Dir::open(mount.path())?.shown_as("/boot");
        let path = mount.path().to_owned();
        Ok(BootPlace {
            dir,
            kind: Kind::Separate,
            path,
            own: Own::Mounted { _mount: mount, _device: device },
        })
    }

    /// The boot files are on a FAT that is not mounted.
    pub(super) fn mirrored(mirror: Mirror) -> Result<Self> {
        let dir = Dir::open(mirror.path())?.shown_as("/boot");
        Ok(BootPlace { dir, kind: Kind::Fat, path: mirror.path().to_owned(), own: Own::Mirrored(mirror) })
    }

    /// Where the directory is, for this process and its children.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The FAT behind the directory, where that is not mounted: what is written must be pushed to it.
    pub fn mirror(&self) -> Option<&Mirror> {
        match &self.own {
            Own::Mirrored(mirror) => Some(mirror),
            _ => None,
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// What the filesystem can do.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The menu that boots; `None` where there is none. What syslinux reads counts where the two places differ.
    pub fn menu(&self) -> Result<Option<Menu>> {
        let Some(path) = self.menu_path()? else { return Ok(None) };
        let bytes = self.dir.read(&path, MOST_TEXT)?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::malformed(self.dir.shown(&path), "not text"))?;
        Ok(Some(Menu::parse(&text)))
    }

    /// Whether `/extlinux.conf` is a file of its own, as the original's `set-default` leaves it.
    pub fn menu_is_detached(&self) -> Result<bool> {
        Ok(self.dir.stat_of(MENU)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG))
    }

    /// Whether a version has this file to boot from.
    pub fn has(&self, label: &ExistingLabel, name: &str) -> Result<bool> {
        self.dir.has(layout::in_version(label, name))
    }

    /// A version's file, open for reading.
    pub fn file(&self, label: &ExistingLabel, name: &str) -> Result<File> {
        self.dir.file(layout::in_version(label, name))
    }

    fn menu_path(&self) -> Result<Option<PathBuf>> {
        if self.menu_is_detached()? {
            return Ok(Some(MENU.into()));
        }
        let path = Path::new(MENU_DIR).join(MENU);
        Ok(self.dir.has(&path)?.then_some(path))
    }
}
