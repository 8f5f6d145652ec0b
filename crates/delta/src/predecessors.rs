//! Finds the file of the basis from which a new content was most probably made.
//!
//! This is the file at the same path, if there is one. Otherwise it is a file of the same name, without regard to digits
//! (`libcrypto.so.3.0.20` and `libcrypto.so.3.0.22`): the one whose path has most in common. An upgrade of the kernel, for example,
//! renames `lib/modules/6.1.0-50` to `6.1.0-56`, and each of the 4,000 modules has to find the one that it replaces.

use std::collections::HashMap;

use crate::entry::{Entry, Kind, file_name};
use crate::index::OldIndex;
use crate::manifest::Manifest;

/// The files of the basis, by path and by name without digits.
pub struct Predecessors<'a> {
    basis: &'a Manifest,
    by_path: HashMap<&'a [u8], OldIndex>,
    by_shape: HashMap<Vec<u8>, Vec<OldIndex>>,
}

/// Most files of one name that are compared. In some trees every directory has an `index.html`.
const MOST_CANDIDATES: usize = 256;
/// A smaller file has no predecessor, because to describe one costs more than to send the file.
pub const SMALLEST: u64 = 256;

impl<'a> Predecessors<'a> {
    /// The files of this basis.
    pub fn new(basis: &'a Manifest) -> Self {
        let mut by_path = HashMap::new();
        let mut by_shape: HashMap<Vec<u8>, Vec<OldIndex>> = HashMap::new();
        for (index, entry) in basis.entries().iter().enumerate() {
            let index = OldIndex(index);
            if matches!(entry.kind, Kind::File { size, .. } if size >= SMALLEST) {
                by_path.insert(&*entry.path, index);
                by_shape.entry(shape(file_name(&entry.path))).or_default().push(index);
            }
        }
        Predecessors { basis, by_path, by_shape }
    }

    /// The file of the basis that is most like a new one of this path and size.
    pub fn of(&self, path: &[u8], size: u64) -> Option<OldIndex> {
        if size < SMALLEST {
            return None;
        }
        if let Some(&index) = self.by_path.get(path) {
            return Some(index);
        }
        let candidates = self.by_shape.get(&shape(file_name(path)))?;
        let wanted = shape(path);
        let score = |&&index: &&OldIndex| {
            let other = index.of(self.basis);
            let likeness = in_common(&shape(&other.path), &wanted) + in_common(&other.path, path);
            (likeness, std::cmp::Reverse(distance(other, size)))
        };
        candidates.iter().take(MOST_CANDIDATES).max_by_key(score).copied()
    }
}

/// The path without digits, which stays the same between versions.
fn shape(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| !byte.is_ascii_digit()).collect()
}

/// The number of bytes that two paths share at their beginning and their end.
fn in_common(one: &[u8], other: &[u8]) -> usize {
    let front = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let back = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    front + back
}

fn distance(entry: &Entry, size: u64) -> u64 {
    if let Kind::File { size: other, .. } = entry.kind { other.abs_diff(size) } else { u64::MAX }
}
