//! The manifest of a tree: everything that an upgrade has to keep, as a value.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::PathBuf;

use system::metadata::Metadata;

use crate::entry::{Entry, Kind, MAX_PATH, file_name, parent};
use crate::hash::{Hash, Hasher};
use crate::record;

/// The entries of a tree: the root first, and each directory before the names in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
}

impl Manifest {
    /// A manifest of these entries, which are in order. Entries that no tree can have are refused: a path that leaves the tree, a name
    /// twice or without a directory, a hard link to a file that does not come before it.
    pub fn new(entries: Vec<Entry>) -> Result<Self, String> {
        check(&entries)?;
        Ok(Manifest { entries })
    }

    /// The entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The index in [`Manifest::entries`] of each path.
    pub fn by_path(&self) -> HashMap<&[u8], usize> {
        self.entries.iter().enumerate().map(|(index, entry)| (&*entry.path, index)).collect()
    }

    /// The digest of the tree. Two trees with the same digest are identical in all that a manifest holds.
    pub fn digest(&self) -> Hash {
        let mut hasher = Hasher::default();
        let Ok(()) = record::each(&self.entries, |bytes| {
            hasher.add(bytes);
            Ok::<_, Infallible>(())
        });
        hasher.finish()
    }

    /// The names whose owner or group is not root, or that have an attribute. An ACL is an attribute.
    pub fn owned(&self) -> Vec<PathBuf> {
        let is_owned = |own: &Metadata| (own.uid, own.gid) != (0, 0) || !own.attributes.is_empty();
        let owned = self.entries.iter().filter(|entry| is_owned(&entry.metadata));
        owned.map(|entry| entry.path().to_owned()).collect()
    }

    /// Bytes of content, each file once.
    pub fn bytes(&self) -> u64 {
        let size = |entry: &Entry| if let Kind::File { size, .. } = entry.kind { size } else { 0 };
        self.entries.iter().map(size).fold(0, u64::saturating_add)
    }
}

const NO_ROOT: &str = "the first entry, and no other, has to be the root directory";

fn check(entries: &[Entry]) -> Result<(), String> {
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    if entries.is_empty() {
        return Err(NO_ROOT.to_owned());
    }
    let mut seen: HashMap<&[u8], &Kind> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let path = &*entry.path;
        if let Some(fault) = fault(path) {
            return Err(format!("the path {:?} {fault}", shown(path)));
        }
        let is_root = seen.is_empty();
        if is_root != path.is_empty() || is_root && entry.kind != Kind::Directory {
            return Err(NO_ROOT.to_owned());
        }
        if !is_root && seen.get(parent(path)) != Some(&&Kind::Directory) {
            return Err(format!("{} is in no directory", shown(path)));
        }
        if let Kind::HardLink(first) = &entry.kind
            && matches!(seen.get(&**first), None | Some(Kind::Directory | Kind::HardLink(_)))
        {
            return Err(format!("{} is a link to {}, which is no file", shown(path), shown(first)));
        }
        if seen.insert(path, &entry.kind).is_some() {
            return Err(format!("{} is there twice", shown(path)));
        }
    }
    Ok(())
}

fn fault(path: &[u8]) -> Option<&'static str> {
    let bad = |name: &[u8]| name.is_empty() || name == b"." || name == b".." || name.contains(&0);
    match path {
        [] => None,
        _ if path.len() > MAX_PATH => Some("is too long"),
        _ if path.split(|&byte| byte == b'/').any(bad) => Some("has a component that is no file name"),
        _ if file_name(path).len() > 255 => Some("has a name that is too long"),
        _ => None,
    }
}
