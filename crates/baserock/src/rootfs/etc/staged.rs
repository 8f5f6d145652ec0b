//! Writes a tree to disk, and replaces `etc` by it in one step.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
        exchange((self.root, self.name.as_ref()), (self.root, ETC.as_ref()))
    }

    /// Exchanges what is at this path in the tree and in `etc`. It may be missing in either, but not the directory that it is in.
    pub fn exchange_one(&self, path: &EtcPath) -> Result<()> {
        let Some(folder) = path.parent() else { return self.exchange() };
        let place = |tree: &str| self.root.dir(Path::new(tree).join(folder.as_path()));
        let (name, own, etc) = (Path::new(OsStr::from_bytes(path.name())), place(&self.name)?, place(ETC)?);
        exchange((&own, name), (&etc, name))
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

/// Exchanges two names, of which one may be missing. The flags of files that forbid it are lifted meanwhile.
fn exchange((one_dir, one): (&Dir, &Path), (other_dir, other): (&Dir, &Path)) -> Result<()> {
    flags::while_lifted(one_dir, &[one], || {
        flags::while_lifted(other_dir, &[other], || match (one_dir.has(one)?, other_dir.has(other)?) {
            (true, true) => atomic::exchange(one_dir, one, other_dir, other),
            (true, false) => atomic::rename_no_replace(one_dir, one, other_dir, other),
            (false, true) => atomic::rename_no_replace(other_dir, other, one_dir, one),
            (false, false) => Ok(()),
        })
    })
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
