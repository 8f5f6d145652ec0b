//! Compares a tree with the manifest that was made of it earlier.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::stat::FileStat;
use system::dir::Dir;
use system::error::{Error, Result};

use crate::entry::{Entry, Kind, as_path, parent};
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::scan::{Hashes, scan};

/// A name that differs from the manifest.
#[derive(Debug)]
pub struct Difference {
    /// Relative to the tree's root. The root itself is the empty path.
    pub path: Box<[u8]>,
    /// The differences; there is at least one.
    pub mismatches: Vec<Mismatch>,
}

/// One difference between a name and the manifest. If there are two values, the first is the manifest's.
#[derive(Debug)]
pub enum Mismatch {
    /// The tree does not have it.
    Missing,
    /// The manifest does not have it.
    Added,
    /// It cannot be read.
    Unreadable(Error),
    /// It is of another type.
    Type(&'static str, &'static str),
    /// The bytes of a file differ.
    Content,
    /// A link has another target, or a device another number.
    Target,
    /// It is a hard link to other names.
    Links,
    /// Permission bits.
    Mode(u32, u32),
    /// Owner and group.
    Owner((u32, u32), (u32, u32)),
    /// The time of the last modification.
    Time,
    /// The flags that `chattr` sets.
    Flags,
    /// The names of extended attributes that differ; ACLs and capabilities are among them.
    Attributes(Vec<String>),
}

/// Compares the tree with its manifest, and reads every byte. A name that cannot be read is a difference, and the rest is still compared.
/// `report` is called with the bytes seen so far. Its error ends the comparison, unless it is an error of the operating system.
pub fn verify(
    tree: &Dir,
    recorded: &Manifest,
    report: &dyn Fn(u64) -> Result<()>,
) -> Result<Vec<Difference>> {
    let mut faults = Faults::default();
    let found = scan(tree, &mut faults, report)?;
    let mut differences = compare(recorded, &found, &faults.paths());
    let unreadable = |(path, error)| Difference { path, mismatches: vec![Mismatch::Unreadable(error)] };
    differences.extend(faults.0.into_iter().map(unreadable));
    differences.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(differences)
}

/// The names that could not be read, and the errors.
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
        // A signal, or a change of the file while it is read, is no fault of the disk.
        if error.os_error().is_none() {
            return Err(error);
        }
        self.0.push((path.as_os_str().as_bytes().into(), error));
        Ok(())
    }
}

/// The differences between two manifests of one tree, without the names at or below unreadable ones.
fn compare(recorded: &Manifest, found: &Manifest, unreadable: &BTreeSet<&[u8]>) -> Vec<Difference> {
    let (old, new) = (recorded.by_path(), found.by_path());
    let mut links = Links::default();
    let mut differences = Vec::new();
    let mut add = |entry: &Entry, mismatches: Vec<Mismatch>| {
        if !mismatches.is_empty() {
            differences.push(Difference { path: entry.path.clone(), mismatches });
        }
    };
    for entry in recorded.entries().iter().filter(|entry| !is_below(&entry.path, unreadable)) {
        let Some(&index) = new.get(&*entry.path) else {
            add(entry, vec![Mismatch::Missing]);
            continue;
        };
        let now = &found.entries()[index];
        let mut mismatches = Vec::new();
        if links.differ(first(entry), first(now)) {
            mismatches.push(Mismatch::Links);
        }
        let (was, is) = (&recorded.entries()[old[first(entry)]], &found.entries()[new[first(now)]]);
        mismatches.extend(of_kind(&was.kind, &is.kind));
        of_metadata(was, is, &mut mismatches);
        add(entry, mismatches);
    }
    for entry in found.entries().iter().filter(|entry| !old.contains_key(&*entry.path)) {
        add(entry, vec![Mismatch::Added]);
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

/// The first name of the entry's file.
fn first(entry: &Entry) -> &[u8] {
    if let Kind::HardLink(first) = &entry.kind { first } else { &entry.path }
}

/// Which file of one tree is which file of the other, by first names.
#[derive(Default)]
struct Links<'a> {
    now: HashMap<&'a [u8], &'a [u8]>,
    then: HashMap<&'a [u8], &'a [u8]>,
}

impl<'a> Links<'a> {
    /// Whether another name has shown already that these two are different files.
    fn differ(&mut self, was: &'a [u8], is: &'a [u8]) -> bool {
        let now = *self.now.entry(was).or_insert(is);
        let then = *self.then.entry(is).or_insert(was);
        now != is || then != was
    }
}

fn of_kind(was: &Kind, is: &Kind) -> Option<Mismatch> {
    if was == is {
        return None;
    }
    let (before, after) = (name(was), name(is));
    Some(match was {
        _ if before != after => Mismatch::Type(before, after),
        Kind::File { .. } => Mismatch::Content,
        _ => Mismatch::Target,
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

fn of_metadata(before: &Entry, now: &Entry, mismatches: &mut Vec<Mismatch>) {
    let (was, is) = (&before.metadata, &now.metadata);
    if was.mode != is.mode {
        mismatches.push(Mismatch::Mode(was.mode, is.mode));
    }
    if (was.uid, was.gid) != (is.uid, is.gid) {
        mismatches.push(Mismatch::Owner((was.uid, was.gid), (is.uid, is.gid)));
    }
    if before.modified != now.modified {
        mismatches.push(Mismatch::Time);
    }
    if was.flags != is.flags {
        mismatches.push(Mismatch::Flags);
    }
    let names: BTreeSet<_> = was.attributes.keys().chain(is.attributes.keys()).collect();
    let differing = names.into_iter().filter(|name| was.attributes.get(*name) != is.attributes.get(*name));
    let differing: Vec<_> = differing.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    if !differing.is_empty() {
        mismatches.push(Mismatch::Attributes(differing));
    }
}

impl fmt::Display for Difference {
    /// The differences in one line, without the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mismatch) in self.mismatches.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            mismatch.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Missing => f.write_str("missing"),
            Mismatch::Added => f.write_str("added"),
            Mismatch::Unreadable(error) => write!(f, "cannot be read ({})", error.reason()),
            Mismatch::Type(was, is) => write!(f, "{is}, was {was}"),
            Mismatch::Content => f.write_str("content"),
            Mismatch::Target => f.write_str("target"),
            Mismatch::Links => f.write_str("hard links"),
            Mismatch::Mode(was, is) => write!(f, "mode {is:o}, was {was:o}"),
            Mismatch::Owner(was, is) => write!(f, "owner {}:{}, was {}:{}", is.0, is.1, was.0, was.1),
            Mismatch::Time => f.write_str("time"),
            Mismatch::Flags => f.write_str("flags"),
            Mismatch::Attributes(names) => write!(f, "attributes {}", names.join(" ")),
        }
    }
}

impl Difference {
    /// The path as a path.
    pub fn path(&self) -> &Path {
        as_path(&self.path)
    }
}
