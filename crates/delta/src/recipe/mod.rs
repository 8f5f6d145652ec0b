//! Recipes: an initramfs, described by the files of the tree that it packs.
//!
//! An initramfs is a sequence of cpio archives, as they are or packed by gzip. Most of their bytes are members that are files of the same
//! tree. A [`Recipe`] names these files and holds the other bytes, the literals. Whoever has the tree makes the initramfs again, because
//! gzip is met byte for byte.
//!
//! The literals of two versions have much in common, so they are compared with each other: see [`Literals`].

mod collect;
mod cpio;
mod describe;
mod message;
mod recreate;
mod source;

use std::io;

pub use collect::MOST_LITERALS;
pub use describe::{BEGINNING, Literals, Proof, begins, describe};
pub use recreate::recreate;

use crate::codec::{Reader, Writer, invalid};
use crate::form::gzip::MOST_HEAD;
use crate::index::NewIndex;

/// A content as files of a tree and literals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The parts of the content, one after the other.
    sections: Vec<Section>,
    /// The bytes that are no file of the tree.
    pub literals: Vec<u8>,
}

/// A part of a content that is as it is, or one member of gzip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Section {
    packing: Option<Packing>,
    /// So many literals, and then a file.
    files: Vec<(u64, NewIndex)>,
    /// So many literals at the end.
    rest: u64,
}

/// How a section is packed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packing {
    /// The level of gzip.
    level: u8,
    /// What comes before the compressed bytes.
    head: Vec<u8>,
}

impl Recipe {
    /// All but the literals, as bytes:
    ///
    /// ```text
    /// for each section:
    ///   number     1 more than the number of its files
    ///   number     the level of gzip, 0 if it is not packed
    ///   bytes      if it is packed: the head of the gzip member
    ///   for each file:
    ///     number   literals before it
    ///     signed   its place in the manifest, less that of the file before
    ///   number     literals after the last file
    /// number       0
    /// ```
    pub fn outline(&self) -> Vec<u8> {
        let mut to = Writer::default();
        for section in &self.sections {
            to.number(1 + section.files.len() as u64);
            match &section.packing {
                Some(packing) => {
                    to.number(packing.level.into());
                    to.bytes(&packing.head);
                }
                None => to.number(0),
            }
            let mut before = 0;
            for (literals, NewIndex(index)) in &section.files {
                to.number(*literals);
                let index = i64::try_from(*index).unwrap_or(i64::MAX);
                to.signed(index - before);
                before = index;
            }
            to.number(section.rest);
        }
        to.number(0);
        to.0
    }

    /// A recipe from its outline and its literals. Neither is trusted.
    pub fn read(outline: &[u8], literals: Vec<u8>) -> io::Result<Self> {
        let mut from = Reader(outline);
        let mut sections = Vec::new();
        while let Some(files) = from.count(usize::MAX)?.checked_sub(1) {
            let packing = match from.number()? {
                0 => None,
                level => {
                    let level = u8::try_from(level).map_err(|_| invalid("an unknown level of gzip"))?;
                    Some(Packing { level, head: from.bytes(MOST_HEAD)? })
                }
            };
            let mut section = Section { packing, ..Section::default() };
            let mut before = 0i64;
            for _ in 0..files {
                let literals = from.number()?;
                before = before.wrapping_add(from.signed()?);
                let index = usize::try_from(before).map_err(|_| invalid("a file that no tree has"))?;
                section.files.push((literals, NewIndex(index)));
            }
            section.rest = from.number()?;
            sections.push(section);
        }
        if from.0.is_empty() {
            Ok(Recipe { sections, literals })
        } else {
            Err(invalid("bytes after a recipe"))
        }
    }

    /// The same recipe, with other names of the files; `None` stands for a file that is not there.
    pub fn with_files(mut self, name: impl Fn(NewIndex) -> Option<NewIndex>) -> io::Result<Self> {
        for (_, file) in self.sections.iter_mut().flat_map(|section| &mut section.files) {
            *file = name(*file).ok_or_else(|| invalid("a recipe that names a file that is not there"))?;
        }
        Ok(self)
    }

    /// The files that it names, in their order.
    pub fn files(&self) -> impl Iterator<Item = NewIndex> {
        self.sections.iter().flat_map(|section| section.files.iter().map(|(_, file)| *file))
    }
}
