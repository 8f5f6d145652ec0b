//! Where boot loaders look: the top of the volume, or a boot filesystem of its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::boot::Menu;
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::label::Label;
use crate::layout::{self, MENU, MENU_DIR};

/// The directory with the menu and `systems/LABEL/{kernel,initramfs,dtb}`.
#[derive(Debug)]
pub struct BootPlace {
    dir: Dir,
    kind: Kind,
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
    /// The boot files are in this directory.
    pub fn new(dir: Dir, kind: Kind) -> Self {
        BootPlace { dir, kind }
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
        let bytes = self.dir.read(&path)?;
        let text =
            String::from_utf8(bytes).map_err(|_| Error::malformed(self.dir.shown(&path), "not text"))?;
        Ok(Some(Menu::parse(&text)))
    }

    /// Whether `/extlinux.conf` is a file of its own, as the original's `set-default` leaves it.
    pub fn menu_is_detached(&self) -> Result<bool> {
        Ok(self.dir.stat_of(MENU)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG))
    }

    /// Whether a version has this file to boot from.
    pub fn has(&self, label: &Label, name: &str) -> Result<bool> {
        self.dir.has(layout::in_version(label, name))
    }

    /// A version's file, open for reading.
    pub fn file(&self, label: &Label, name: &str) -> Result<File> {
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
