//! Writes a tree to disk, and replaces `etc` by it in one step.

use std::collections::BTreeMap;
use std::fs::File;

use nix::sys::stat::{Mode, SFlag, mknodat};
use system::copy::copy_data;
use system::dir::Dir;
use system::error::{Error, Result};
use system::flags;
use system::inode::Inode;
use system::step::change;
use system::undo::tidy;
use system::{atomic, signal};

use crate::etc::EtcPath;
use crate::etc::tree::{Kind, Node, Tree};

/// The name of the directory in a version.
pub const ETC: &str = "etc";

/// A tree beside `etc` that is ready to replace it. When this is dropped, it removes the tree that is beside `etc` then.
#[derive(Debug)]
pub struct Staged<'a> {
    root: &'a Dir,
    name: String,
}

impl<'a> Staged<'a> {
    /// Writes the tree beside the `etc` in `root`. A failure leaves nothing behind.
    pub fn write(tree: &Tree, root: &'a Dir) -> Result<Self> {
        let name = atomic::temporary_name(ETC);
        // A killed process may have left one behind.
        root.remove_tree(&name)?;
        let staged = Staged { root, name };
        write(tree, root, &staged.name)?;
        Ok(staged)
    }

    /// Waits until the tree is on disk, so that a power cut cannot leave an `etc` with empty files.
    pub fn sync(&self) -> Result<()> {
        change("sync", self.root.shown(&self.name), || rustix::fs::syncfs(self.root))
    }

    /// Exchanges the tree and `etc`. At every moment there is a whole `etc`: the old one or the new one. The old one is beside it afterwards.
    pub fn exchange(&self) -> Result<()> {
        match (self.root.has(ETC)?, self.root.has(&self.name)?) {
            (true, true) => {
                // A directory with such a flag cannot be renamed.
                let names = [self.name.as_ref(), ETC.as_ref()];
                flags::while_lifted(self.root, &names, || {
                    atomic::exchange(self.root, &self.name, self.root, ETC)
                })
            }
            (false, _) => atomic::rename_no_replace(self.root, &self.name, self.root, ETC),
            (true, false) => atomic::rename_no_replace(self.root, ETC, self.root, &self.name),
        }
    }

    /// The inode number of the tree. It identifies the tree on the filesystem, wherever that is moved.
    pub fn inode(&self) -> Result<u64> {
        Ok(self.root.dir(&self.name)?.stat()?.st_ino)
    }
}

impl Drop for Staged<'_> {
    /// Removes what stands beside `etc`: the unused tree, or the old one after the exchange.
    fn drop(&mut self) {
        tidy(self.root.remove_tree(&self.name));
    }
}

/// Writes a tree to the new directory `name` in `parent`.
pub fn write(tree: &Tree, parent: &Dir, name: &str) -> Result<()> {
    parent.make_dir(name, 0o700)?;
    let root = parent.dir(name)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut files: BTreeMap<u64, (&EtcPath, &Node)> = BTreeMap::new();
    for (path, node) in tree.iter().filter(|(path, _)| !path.is_root()) {
        signal::check()?;
        if let Some(file) = tree.linked(path) {
            let (first, made) = *files.entry(file).or_insert((path, node));
            if first != path && made.is_same(node) && !node.is_dir() {
                root.hard_link(first.as_path(), path.as_path())?;
                continue;
            }
        }
        make(&root, path, node, &mut buffer)?;
    }
    // Entries change a directory's times, so directories come last, the innermost first.
    let folders = tree.iter().rev().filter(|(_, node)| node.is_dir());
    for (path, node) in folders {
        give(&root, path, node)?;
    }
    for (path, node) in tree.iter().rev().filter(|(_, node)| !node.meta.flags.is_empty()) {
        add_flags(&root, path, node)?;
    }
    Ok(())
}

/// Makes one node. Only root can read it until it gets its metadata.
fn make(root: &Dir, path: &EtcPath, node: &Node, buffer: &mut [u8]) -> Result<()> {
    let name = path.as_path();
    match &node.kind {
        Kind::Dir => return root.make_dir(name, 0o700),
        Kind::Symlink(target) => root.symlink(EtcPath::from(&target[..]).as_path(), name)?,
        Kind::Special { format, device } => {
            let kind = SFlag::from_bits_truncate(*format);
            change("create special file", root.shown(name), || {
                mknodat(root, name, kind, Mode::from_bits_truncate(0o600), *device)
            })?;
        }
        Kind::File(content) => match content.large() {
            Some(large) => {
                let source = File::from(large.file.open()?);
                let (target, shown) = (root.create(name, 0o600)?, root.shown(name));
                copy_data(&source, &shown, &target, &shown, large.size, buffer)?;
            }
            None => drop(root.write_new(name, 0o600, &content.bytes()?)?),
        },
    }
    give(root, path, node)
}

/// Sets the metadata of a node except its flags.
fn give(root: &Dir, path: &EtcPath, node: &Node) -> Result<()> {
    Inode::named(root, path.as_path()).give(&node.meta, node.modified.into())
}

/// Sets the flags of a file or directory. This comes last, because flags can forbid changes.
fn add_flags(root: &Dir, path: &EtcPath, node: &Node) -> Result<()> {
    let name = path.as_path();
    if flags::add_to(root, name, node.meta.flags)? {
        return Ok(());
    }
    let shown = root.shown(name);
    Err(Error::refused(format!("this filesystem cannot keep the flags (chattr) of {}", shown.display())))
}
