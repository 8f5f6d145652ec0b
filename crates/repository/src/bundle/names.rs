//! How a table names contents.

use std::collections::HashMap;
use std::io;

use delta::Manifest;
use delta::codec::{Reader, Writer, invalid};
use delta::entry::Kind;
use delta::hash::Hash;

/// How contents are named.
#[derive(Clone, Copy)]
pub enum Names<'a> {
    /// By their hashes.
    Hashes,
    /// By their places in the manifests of the old tree and of the new one.
    Places(&'a Manifest, &'a Manifest),
}

/// The tree that has a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that is there.
    Old,
    /// The one that is made.
    New,
}

/// Writes names.
pub struct NameWriter {
    /// The first place of each content, for both trees, and the last place that was written.
    places: Option<[(HashMap<Hash, usize>, usize); 2]>,
}

/// Reads names that are not trusted.
pub struct NameReader<'a> {
    places: Option<[(&'a Manifest, usize); 2]>,
}

/// The first place of each content.
pub fn places(manifest: &Manifest) -> HashMap<Hash, usize> {
    let mut places = HashMap::new();
    for (place, entry) in manifest.entries().iter().enumerate() {
        if let Kind::File { hash, .. } = entry.kind {
            places.entry(hash).or_insert(place);
        }
    }
    places
}

impl<'a> Names<'a> {
    /// A writer of names.
    pub fn writer(self) -> NameWriter {
        let places = match self {
            Names::Hashes => None,
            Names::Places(old, new) => Some([old, new].map(|manifest| (places(manifest), 0))),
        };
        NameWriter { places }
    }

    /// A reader of names.
    pub fn reader(self) -> NameReader<'a> {
        let places = match self {
            Names::Hashes => None,
            Names::Places(old, new) => Some([(old, 0), (new, 0)]),
        };
        NameReader { places }
    }
}

impl NameWriter {
    /// Writes the name of a content of one of the trees.
    pub fn write(&mut self, to: &mut Writer, side: Side, hash: Hash) -> io::Result<()> {
        let Some(places) = &mut self.places else {
            to.raw(&hash.0);
            return Ok(());
        };
        let (places, last) = &mut places[side as usize];
        let place = *places.get(&hash).ok_or_else(|| invalid("a content that the tree does not have"))?;
        to.signed((place as u64).wrapping_sub(*last as u64).cast_signed());
        *last = place;
        Ok(())
    }
}

impl NameReader<'_> {
    /// Reads the name of a content of one of the trees.
    pub fn read(&mut self, from: &mut Reader<&[u8]>, side: Side) -> io::Result<Hash> {
        let Some(places) = &mut self.places else { return Ok(Hash(from.raw()?)) };
        let (manifest, last) = &mut places[side as usize];
        let place = (*last as u64).wrapping_add_signed(from.signed()?);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        *last = place;
        match manifest.entries().get(place).map(|entry| &entry.kind) {
            Some(Kind::File { hash, .. }) => Ok(*hash),
            _ => Err(invalid("a content that the tree does not have")),
        }
    }
}
