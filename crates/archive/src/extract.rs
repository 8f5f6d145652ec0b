//! Makes the files that members describe.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknodat};
use nix::unistd::linkat;
use system::dir::Dir;
use system::error::{Error, Result, if_exists};
use system::inode::Inode;
use system::resolve::Links;
use system::signal;
use system::step::change;
use system::write_behind::WriteBehind;

use crate::acl::{self, Accounts};
use crate::member::{Device, Kind, Member, Metadata, Part};
use crate::members::Members;
use crate::metadata::{Applier, Lists};
use crate::name::Name;
use crate::tree::Tree;
use crate::{Options, Stats};

/// The mode of a new file until its own mode is set.
const CLOSED: u32 = 0o600;

/// Most bytes that are read of a file of accounts.
const MOST_ACCOUNTS: u64 = 16 << 20;

/// Access control lists in the form of an archive: the name of the attribute, and text.
type Texts = Vec<(&'static [u8], Vec<u8>)>;

/// Most memory for what is set at the end, in bytes.
const MOST_HELD: usize = 64 << 20;

/// What a tree has before an archive is unpacked into it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Below {
    /// Nothing that the archive should meet.
    Nothing,
    /// The lower layers of an image.
    Layers,
}

/// Unpacks members into a tree.
pub struct Extractor<'a> {
    tree: Tree,
    applier: Applier,
    options: &'a Options<'a>,
    stats: Stats,
    /// Folders get their metadata last: their times change with every new file, and new files would inherit default lists.
    folders: BTreeMap<Name, Metadata>,
    /// Lists of files that have names of accounts. They are set last, when the tree's own accounts are there.
    lists: Vec<(Name, Texts)>,
    /// Devices that were left out. Hard links to them are left out too.
    left_out: BTreeSet<Name>,
    below: Below,
    behind: WriteBehind,
    /// Memory that the lists take, in bytes, roughly.
    held: usize,
}

impl<'a> Extractor<'a> {
    /// Unpacks into `root`.
    pub fn new(root: Dir, options: &'a Options<'a>, below: Below) -> Result<Self> {
        let links = if below == Below::Layers { Links::InRoot } else { Links::Beneath };
        Ok(Extractor {
            tree: Tree::new(root, links)?,
            applier: Applier::new(options.owners),
            options,
            stats: Stats::default(),
            folders: BTreeMap::new(),
            lists: Vec::new(),
            left_out: BTreeSet::new(),
            below,
            behind: WriteBehind::default(),
            held: 0,
        })
    }

    /// Counts memory that is held until the end.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        self.held = self.held.saturating_add(bytes);
        if self.held.saturating_add(self.tree.held()) > MOST_HELD {
            return Err(self.malformed(format!(
                "its folders and access lists have more metadata than the {} MiB that can be kept until they are set; refused",
                MOST_HELD >> 20
            )));
        }
        Ok(())
    }

    /// Makes one member, with its content.
    pub fn add(&mut self, member: Member, members: &mut Members<'_>) -> Result<()> {
        self.stats.members += 1;
        let Member { name, kind, metadata, stored } = member;
        match kind {
            Kind::Directory => {
                self.directory(&name, members, stored)?;
                self.hold(name.memory() + metadata.memory())?;
                if let Some(earlier) = self.folders.insert(name, metadata) {
                    self.held = self.held.saturating_sub(earlier.memory());
                }
                return Ok(());
            }
            _ if name.is_root() => {
                return Err(members.malformed("the archive's top is not a folder; refused"));
            }
            Kind::HardLink(to) => return self.hard_link(&to, &name),
            Kind::File => self.file(&name, &metadata, members, &[Part { offset: 0, length: stored }], stored),
            Kind::Sparse { parts, size } => self.file(&name, &metadata, members, &parts, size),
            Kind::Symlink(target) => self.symlink(&target, &name, &metadata),
            Kind::Character(device) => self.device(SFlag::S_IFCHR, device, &name, &metadata),
            Kind::Block(device) => self.device(SFlag::S_IFBLK, device, &name, &metadata),
            Kind::Fifo => self.node(SFlag::S_IFIFO, 0, &name, &metadata),
        }?;
        if metadata.acls.iter().any(|(_, text)| acl::names_accounts(text)) {
            self.hold(name.memory() + metadata.memory())?;
            self.lists.push((name, metadata.acls));
        }
        Ok(())
    }

    /// Sets the lists that have names of accounts, and the metadata of folders, the deepest first.
    pub fn finish(mut self) -> Result<Stats> {
        let accounts = self.accounts();
        self.tree.restore_times()?;
        for (name, lists) in std::mem::take(&mut self.lists) {
            signal::check()?;
            let (folder, last) = name.split();
            let Some(dir) = if_exists(self.tree.open(folder, &name))? else { continue };
            let inode = Inode::named(&dir, last);
            for (attribute, text) in lists {
                let value = self.list(&name, &text, &accounts)?;
                self.applier.attribute(&inode, attribute, &value)?;
            }
        }
        for (name, metadata) in std::mem::take(&mut self.folders).into_iter().rev() {
            signal::check()?;
            let Some(dir) = if_exists(self.tree.open(name.path(), &name))? else {
                return Err(self.malformed(format!(
                    "the folder {name} is gone: a later member took the place of a link in its name; refused"
                )));
            };
            let mut acls = Vec::new();
            for (attribute, text) in &metadata.acls {
                acls.push((*attribute, self.list(&name, text, &accounts)?));
            }
            self.applier.apply(&Inode::open(dir.as_fd(), dir.shown("")), &metadata, acls)?;
        }
        self.stats.refused_attributes = self.applier.refused;
        Ok(self.stats)
    }

    /// The accounts of the tree itself. A missing file counts as empty.
    fn accounts(&self) -> Accounts {
        let read = |path| {
            let mut content = Vec::new();
            let file = self.tree.root().file(path).ok()?;
            file.take(MOST_ACCOUNTS).read_to_end(&mut content).ok()?;
            Some(content)
        };
        Accounts::read(&read("etc/passwd").unwrap_or_default(), &read("etc/group").unwrap_or_default())
    }

    fn list(&self, name: &Name, text: &[u8], accounts: &Accounts) -> Result<Vec<u8>> {
        let encoded =
            acl::encode(text, accounts).map_err(|reason| self.malformed(format!("{name}: {reason}")))?;
        for unknown in encoded.unknown {
            self.options.observer.warn(format!(
                "{name}: the access list names {unknown}, which the tree's etc does not have; that entry is left out"
            ));
        }
        Ok(encoded.value)
    }

    fn malformed(&self, reason: String) -> Error {
        Error::malformed(self.options.source, reason)
    }

    fn directory(&mut self, name: &Name, members: &mut Members<'_>, stored: u64) -> Result<()> {
        if !members.skip(stored)? {
            return Err(members.cut_short());
        }
        if name.is_root() {
            return Ok(());
        }
        let (_, last) = name.split();
        let dir = self.tree.folder_of(name)?;
        match dir.make_dir(last, 0o700) {
            Err(error) if error.os_error() == Some(libc::EEXIST) => {}
            other => return other,
        }
        if !is_folder(dir, last)? {
            dir.remove_file(last)?;
            dir.make_dir(last, 0o700)?;
            self.tree.forget();
        }
        Ok(())
    }

    fn file(
        &mut self,
        name: &Name,
        metadata: &Metadata,
        members: &mut Members<'_>,
        parts: &[Part],
        size: u64,
    ) -> Result<()> {
        let (_, last) = name.split();
        let file = self.make(name, |dir| dir.create(last, CLOSED))?;
        let shown = self.tree.root().shown(name.path());
        let mut end = 0;
        for part in parts {
            if part.offset == end {
                write_stream(&file, *part, members, &shown)?;
            } else {
                write_at(&file, *part, members, &shown)?;
            }
            end = if part.offset == end { end + part.length } else { u64::MAX };
            self.stats.bytes += part.length;
        }
        if end != size {
            change("set the size of", &shown, || file.set_len(size))?;
        }
        let acls = self.known_lists(name, metadata)?;
        self.applier.apply(&Inode::open(file.as_fd(), shown), metadata, acls)?;
        self.behind.offer(file, parts.iter().map(|part| part.length).sum());
        Ok(())
    }

    /// The values of the lists that have no names of accounts.
    fn known_lists(&self, name: &Name, metadata: &Metadata) -> Result<Lists> {
        let known = metadata.acls.iter().filter(|(_, text)| !acl::names_accounts(text));
        known
            .map(|(attribute, text)| Ok((*attribute, self.list(name, text, &Accounts::default())?)))
            .collect()
    }

    fn symlink(&mut self, target: &[u8], name: &Name, metadata: &Metadata) -> Result<()> {
        let (_, last) = name.split();
        let to = Path::new(OsStr::from_bytes(target));
        self.make(name, |dir| dir.symlink(to, last))?;
        self.give(name, metadata)
    }

    fn device(&mut self, kind: SFlag, device: Device, name: &Name, metadata: &Metadata) -> Result<()> {
        if !self.options.devices {
            self.stats.devices_left_out += 1;
            self.hold(name.memory())?;
            self.left_out.insert(name.clone());
            return Ok(());
        }
        self.node(kind, makedev(device.major.into(), device.minor.into()), name, metadata)
    }

    fn node(&mut self, kind: SFlag, device: u64, name: &Name, metadata: &Metadata) -> Result<()> {
        let (_, last) = name.split();
        self.make(name, |dir| {
            let mode = Mode::from_bits_truncate(CLOSED);
            change("create", dir.shown(last), || mknodat(dir, last, kind, mode, device))
        })?;
        self.give(name, metadata)
    }

    fn hard_link(&mut self, to: &Name, name: &Name) -> Result<()> {
        if self.left_out.contains(to) {
            self.hold(name.memory())?;
            self.left_out.insert(name.clone());
            return Ok(());
        }
        let ((folder, target), (_, last)) = (to.split(), name.split());
        let missing =
            self.malformed(format!("{name} is a hard link to {to}, which is not in the archive before it"));
        let Some(from) = if_exists(self.tree.open(folder, to))? else { return Err(missing) };
        if to == name {
            return if from.stat_of(target)?.is_some() { Ok(()) } else { Err(missing) };
        }
        let linked = self.make(name, |dir| {
            change("link", dir.shown(last), || linkat(&from, target, dir, last, AtFlags::empty()))
        });
        match linked {
            Err(error) if error.is_not_found() => Err(missing),
            Err(error) if error.os_error() == Some(libc::EPERM) => {
                Err(self.malformed(format!("{name} is a hard link to the folder {to}; refused")))
            }
            other => other,
        }
    }

    /// Sets the metadata of a file that is not open.
    fn give(&mut self, name: &Name, metadata: &Metadata) -> Result<()> {
        let acls = self.known_lists(name, metadata)?;
        let (_, last) = name.split();
        let dir = self.tree.folder_of(name)?;
        self.applier.apply(&Inode::named(dir, last), metadata, acls)
    }

    /// Calls `make` to make the member in its folder. A file of an earlier member with the same name is replaced, but not a folder with
    /// files.
    fn make<T>(&mut self, name: &Name, make: impl Fn(&Dir) -> Result<T>) -> Result<T> {
        let (_, last) = name.split();
        let dir = self.tree.folder_of(name)?;
        match make(dir) {
            Err(error) if error.os_error() == Some(libc::EEXIST) => {}
            other => return other,
        }
        // What is replaced may be a link that the member's own name goes through, so the folder is not looked up again.
        let dir = &dir.duplicate()?;
        if self.below == Below::Layers && is_folder(dir, last)? {
            let inside = |other: &Name| other.path().starts_with(name.path());
            // Behind a link they would be somewhere else, and stay there without their metadata.
            if let Some(other) = self.folders.keys().find(|other| *other != name && inside(other)) {
                return Err(self.malformed(format!(
                    "member {name} would replace the folder above {other} of the same layer; refused"
                )));
            }
            dir.remove_tree(last)?;
            self.folders.remove(name);
            self.lists.retain(|(other, _)| !inside(other));
        } else if is_folder(dir, last)? {
            let refused = |_| {
                Error::refused(format!("member {name} would replace a folder that is not empty; refused"))
            };
            dir.remove_dir(last).map_err(refused)?;
            self.folders.remove(name);
        } else {
            dir.remove_file(last)?;
        }
        self.tree.forget();
        make(dir)
    }
}

fn is_folder(dir: &Dir, name: &Path) -> Result<bool> {
    Ok(dir.stat_of(name)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR))
}

fn write_stream(mut file: &File, part: Part, members: &mut Members<'_>, shown: &Path) -> Result<()> {
    copy(part, members, |piece, _| change("write", shown, || file.write_all(piece)))
}

fn write_at(file: &File, part: Part, members: &mut Members<'_>, shown: &Path) -> Result<()> {
    copy(part, members, |piece, at| change("write", shown, || file.write_all_at(piece, at)))
}

fn copy(
    part: Part,
    members: &mut Members<'_>,
    mut write: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<()> {
    let end = part.offset + part.length;
    let mut at = part.offset;
    while at < end {
        let piece = members.content(end - at)?;
        let count = piece.len();
        if count == 0 {
            return Err(members.cut_short());
        }
        write(piece, at)?;
        members.consume(count);
        at += count as u64;
    }
    Ok(())
}
