//! Removes names, and makes names whose contents are there.

use std::collections::HashMap;

use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::linkat;
use system::btrfs;
use system::copy::copy_data;
use system::dir::Dir;
use system::error::{Error, Result};
use system::flags;
use system::inode::{Inode, times};
use system::step::change;

use super::Apply;
use super::parents::{Parents, open};
use crate::entry::{Entry, Kind, as_path, file_name, parent};
use crate::hash::Hash;
use crate::index::NewIndex;
use crate::plan::Make;
use crate::scan::STUB_TIME;

/// Makes the names of the new tree.
pub struct Names<'a> {
    apply: Apply<'a>,
    /// The wanted contents, and the entry that has each.
    wanted: HashMap<Hash, NewIndex>,
    parents: Parents<'a>,
    buffer: Vec<u8>,
}

/// Bytes copied at a time where blocks cannot be shared.
const BUFFER: usize = 1 << 20;

impl<'a> Names<'a> {
    /// Makes the names of this plan.
    pub fn new(apply: Apply<'a>) -> Self {
        let wanted = apply.plan.wanted.iter().map(|wanted| (wanted.hash, wanted.entry)).collect();
        Names { apply, wanted, parents: Parents::new(apply.into), buffer: vec![0; BUFFER] }
    }

    /// Puts a directory into the place of a stub ([`btrfs::is_stub`]), because nothing can be made in a stub, and it keeps no metadata.
    pub fn replace_stub(&mut self, entry: &Entry) -> Result<()> {
        if entry.modified != STUB_TIME {
            return Ok(());
        }
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        if name.as_os_str().is_empty() || !btrfs::is_stub(&dir.dir(name)?)? {
            return Ok(());
        }
        let before = times(&dir.stat()?);
        dir.remove_dir(name)?;
        dir.make_dir(name, 0o700)?;
        give_metadata(dir, entry)?;
        Inode::named(dir, as_path(b"")).set_times(before)
    }

    /// Removes a name of the basis.
    pub fn remove(&mut self, entry: &Entry) -> Result<()> {
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        // The manifest does not list the content of a directory that was a mount point, or of a subvolume inside the tree.
        if !entry.is_directory() {
            return dir.remove_file(name);
        }
        match dir.remove_dir(name) {
            Err(error) if error.os_error() == Some(libc::ENOTEMPTY) => dir.remove_tree(name),
            outcome => outcome,
        }
    }

    /// Clears the flags of a file or directory of the basis, so that it can be changed, and has only those of the new tree at the end.
    pub fn clear_flags(&mut self, entry: &Entry) -> Result<()> {
        flags::clear(self.parents.of(&entry.path)?, as_path(file_name(&entry.path)))
    }

    /// Gives a file or directory of the new tree its flags. It cannot be changed after that.
    pub fn add_flags(&mut self, entry: &Entry) -> Result<()> {
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        let given = entry.metadata.flags;
        let flags = if entry.path.is_empty() { given.without_fixed() } else { given };
        if flags::add_to(dir, name, flags)? {
            return Ok(());
        }
        let shown = dir.shown(name);
        Err(Error::refused(format!("this filesystem cannot keep the flags (chattr) of {}", shown.display())))
    }

    /// Makes a name, with its metadata.
    pub fn make(&mut self, make: Make) -> Result<()> {
        let entry = make.entry.of(self.apply.new);
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        if make.replaces {
            dir.remove_file(name)?;
        }
        let node = |kind: SFlag, number: u64| {
            change("create special file", dir.shown(name), || {
                mknodat(dir, name, kind, Mode::from_bits_truncate(0o600), number)
            })
        };
        match &entry.kind {
            Kind::HardLink(first) => return self.link(first, entry),
            Kind::File { hash, .. } => self.copy(make, entry, *hash)?,
            Kind::Directory => dir.make_dir(name, 0o700)?,
            Kind::Symlink(target) => dir.symlink(as_path(target), name)?,
            Kind::CharacterDevice(number) => node(SFlag::S_IFCHR, *number)?,
            Kind::BlockDevice(number) => node(SFlag::S_IFBLK, *number)?,
            Kind::Fifo => node(SFlag::S_IFIFO, 0)?,
            Kind::Socket => node(SFlag::S_IFSOCK, 0)?,
        }
        self.metadata(entry)
    }

    fn link(&mut self, first: &[u8], entry: &Entry) -> Result<()> {
        let from = open(self.apply.into, parent(first))?;
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        change("link", dir.shown(name), || {
            linkat(&from, as_path(file_name(first)), dir, name, AtFlags::empty())
        })
    }

    /// Copies a file whose content is in the basis, or in the new tree under another name.
    fn copy(&mut self, make: Make, entry: &Entry, hash: Hash) -> Result<()> {
        let Apply { basis, new, into, .. } = self.apply;
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        let (target, shown) = (dir.create(name, 0o600)?, dir.shown(name));
        let source = match (make.same, self.wanted.get(&hash)) {
            (Some(same), _) => Some((basis.dir, same.of(basis.manifest))),
            (None, wanted) => wanted.map(|&wanted| (into, wanted.of(new))),
        };
        let Some((tree, &Entry { kind: Kind::File { size, .. }, ref path, .. })) = source else {
            return Err(Error::refused(format!("no content for {}", shown.display())));
        };
        let path = as_path(path);
        copy_data(&tree.file(path)?, &tree.shown(path), &target, &shown, size, &mut self.buffer).map(drop)
    }

    /// Sets the metadata of a name that stays.
    pub fn metadata(&mut self, entry: &Entry) -> Result<()> {
        give_metadata(self.parents.of(&entry.path)?, entry)
    }
}

/// Sets the metadata of an entry in its directory.
pub fn give_metadata(dir: &Dir, entry: &Entry) -> Result<()> {
    Inode::named(dir, as_path(file_name(&entry.path))).give(&entry.metadata, entry.modified.into())
}
