//! What a tree has become since its manifest was made.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::stat::FileStat;
use system::dir::Dir;
use system::error::{Error, Result};

use crate::entry::{Entry, Kind, Metadata, as_path, parent};
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::scan::{Hashes, scan};

/// A name that is not what the manifest says.
#[derive(Debug)]
pub struct Difference {
    /// Relative to the tree's root, which itself is the empty path.
    pub path: Box<[u8]>,
    /// In what it differs, at least one.
    pub how: Vec<How>,
}

/// In what a name differs. Where there are two values, the first is the manifest's.
#[derive(Debug)]
pub enum How {
    /// It is not there.
    Missing,
    /// The manifest does not have it.
    Added,
    /// The disk does not give it.
    Unreadable(Error),
    /// It is of another type.
    Type(&'static str, &'static str),
    /// The bytes of a file are others.
    Content,
    /// A link leads elsewhere, a device has another number.
    Target,
    /// It is one file with other names.
    Links,
    /// Permission bits.
    Mode(u32, u32),
    /// Owner and group.
    Owner((u32, u32), (u32, u32)),
    /// When it was last modified.
    Time,
    /// Extended attributes, ACLs and capabilities among them, by name.
    Attributes(Vec<String>),
}

/// Compares the tree with its manifest, reading every byte. What cannot be read is a difference, and the rest is still compared. `report`
/// is called with the bytes seen so far; an error of it, other than of the system, ends this.
pub fn verify(
    tree: &Dir,
    recorded: &Manifest,
    report: &dyn Fn(u64) -> Result<()>,
) -> Result<Vec<Difference>> {
    let mut faults = Faults::default();
    let found = scan(tree, &mut faults, report)?;
    let mut differences = compare(recorded, &found, &faults.paths());
    let unreadable = |(path, error)| Difference { path, how: vec![How::Unreadable(error)] };
    differences.extend(faults.0.into_iter().map(unreadable));
    differences.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(differences)
}

/// What could not be read, and why.
#[derive(Default)]
struct Faults(Vec<(Box<[u8]>, Error)>);

impl Faults {
    fn paths(&self) -> BTreeSet<&[u8]> {
        self.0.iter().map(|(path, _)| &**path).collect()
    }
}

impl Hashes for Faults {
    fn known(&self, _: &FileStat) -> Option<Hash> {
        None
    }

    fn learned(&mut self, _: &FileStat, _: Hash) {}

    fn unreadable(&mut self, path: &Path, error: Error) -> Result<()> {
        // A signal, or a file that somebody writes to: no fault of the disk's.
        if error.os_error().is_none() {
            return Err(error);
        }
        self.0.push((path.as_os_str().as_bytes().into(), error));
        Ok(())
    }
}

/// What differs between two manifests of one tree; nothing is said of names at or below the unreadable ones.
fn compare(recorded: &Manifest, found: &Manifest, unreadable: &BTreeSet<&[u8]>) -> Vec<Difference> {
    let (old, new) = (recorded.by_path(), found.by_path());
    let mut links = Links::default();
    let mut differences = Vec::new();
    let mut add = |entry: &Entry, how: Vec<How>| {
        if !how.is_empty() {
            differences.push(Difference { path: entry.path.clone(), how });
        }
    };
    for entry in recorded.entries().iter().filter(|entry| !is_below(&entry.path, unreadable)) {
        let Some(&index) = new.get(&*entry.path) else {
            add(entry, vec![How::Missing]);
            continue;
        };
        let now = &found.entries()[index];
        let mut how = Vec::new();
        if links.differ(first(entry), first(now)) {
            how.push(How::Links);
        }
        let (was, is) = (&recorded.entries()[old[first(entry)]], &found.entries()[new[first(now)]]);
        how.extend(of_kind(&was.kind, &is.kind));
        of_metadata(&was.metadata, &is.metadata, &mut how);
        add(entry, how);
    }
    for entry in found.entries().iter().filter(|entry| !old.contains_key(&*entry.path)) {
        add(entry, vec![How::Added]);
    }
    differences
}

fn is_below(path: &[u8], unreadable: &BTreeSet<&[u8]>) -> bool {
    let mut path = path;
    loop {
        match path {
            _ if unreadable.contains(path) => return true,
            [] => return false,
            _ => path = parent(path),
        }
    }
}

/// The first name of the file that the entry is a name of.
fn first(entry: &Entry) -> &[u8] {
    if let Kind::HardLink(first) = &entry.kind { first } else { &entry.path }
}

/// Which file of the one tree is which of the other.
#[derive(Default)]
struct Links<'a> {
    now: HashMap<&'a [u8], &'a [u8]>,
    then: HashMap<&'a [u8], &'a [u8]>,
}

impl<'a> Links<'a> {
    /// Whether another name has already told that these two are not the same file.
    fn differ(&mut self, was: &'a [u8], is: &'a [u8]) -> bool {
        let now = *self.now.entry(was).or_insert(is);
        let then = *self.then.entry(is).or_insert(was);
        now != is || then != was
    }
}

fn of_kind(was: &Kind, is: &Kind) -> Option<How> {
    if was == is {
        return None;
    }
    let (before, after) = (name(was), name(is));
    Some(match was {
        _ if before != after => How::Type(before, after),
        Kind::File { .. } => How::Content,
        _ => How::Target,
    })
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Directory => "a directory",
        Kind::File { .. } | Kind::HardLink(_) => "a file",
        Kind::Symlink(_) => "a symbolic link",
        Kind::CharacterDevice(_) => "a character device",
        Kind::BlockDevice(_) => "a block device",
        Kind::Fifo => "a named pipe",
        Kind::Socket => "a socket",
    }
}

fn of_metadata(was: &Metadata, is: &Metadata, how: &mut Vec<How>) {
    if was.mode != is.mode {
        how.push(How::Mode(was.mode, is.mode));
    }
    if (was.uid, was.gid) != (is.uid, is.gid) {
        how.push(How::Owner((was.uid, was.gid), (is.uid, is.gid)));
    }
    if (was.seconds, was.nanoseconds) != (is.seconds, is.nanoseconds) {
        how.push(How::Time);
    }
    let differing: BTreeSet<_> = was
        .attributes
        .iter()
        .filter(|one| !is.attributes.contains(one))
        .chain(is.attributes.iter().filter(|one| !was.attributes.contains(one)))
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    if !differing.is_empty() {
        how.push(How::Attributes(differing.into_iter().collect()));
    }
}

impl fmt::Display for Difference {
    /// What differs, in one line, without the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, how) in self.how.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            how.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            How::Missing => f.write_str("missing"),
            How::Added => f.write_str("added"),
            How::Unreadable(error) => write!(f, "cannot be read ({})", error.reason()),
            How::Type(was, is) => write!(f, "{is}, was {was}"),
            How::Content => f.write_str("content"),
            How::Target => f.write_str("target"),
            How::Links => f.write_str("hard links"),
            How::Mode(was, is) => write!(f, "mode {is:o}, was {was:o}"),
            How::Owner(was, is) => write!(f, "owner {}:{}, was {}:{}", is.0, is.1, was.0, was.1),
            How::Time => f.write_str("time"),
            How::Attributes(names) => write!(f, "attributes {}", names.join(" ")),
        }
    }
}

impl Difference {
    /// The path as a path.
    pub fn path(&self) -> &Path {
        as_path(&self.path)
    }
}
