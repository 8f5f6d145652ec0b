//! Contents are sent in units of a few MiB: many small files together, large files in segments.
//!
//! A unit is one buffer. It holds its pieces one after the other, each padded with zeros to a multiple of [`GRID`]. Bytes that are the same
//! in two files then have the same offset from the grid in both. The pieces of the basis make a second buffer in the same way.

use std::ops::Range;

use crate::entry::Kind;
use crate::index::{NewIndex, OldIndex};
use crate::manifest::Manifest;
use crate::plan::Wanted;
use crate::segment::{SEGMENT, parts, window};

/// Pieces begin at multiples of this many bytes, and so at the beginning of a block in a signature.
pub const GRID: usize = 1024;
/// Most bytes of the basis in one unit.
pub const MOST_OLD: u64 = SEGMENT + (4 << 20);

/// A part of a content, and the matching part of the file in the basis that is most like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// In the new tree: the entry.
    pub entry: NewIndex,
    /// The range of its bytes.
    pub new: Range<u64>,
    /// In the basis: the entry, and the range of its bytes.
    pub old: Option<(OldIndex, Range<u64>)>,
}

/// Pieces that are sent together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// At most [`SEGMENT`] bytes of new content together, and [`MOST_OLD`] bytes of the basis.
    pub pieces: Vec<Piece>,
}

impl Unit {
    /// Bytes of new content.
    pub fn new_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| padded(&piece.new)).sum()
    }

    fn old_bytes(&self) -> u64 {
        self.pieces.iter().filter_map(|piece| piece.old.as_ref()).map(|(_, range)| padded(range)).sum()
    }

    /// The length of each piece.
    pub fn new_lengths(&self) -> impl Iterator<Item = usize> {
        self.pieces.iter().map(|piece| length(&piece.new))
    }

    /// The length of each piece of the basis.
    pub fn old_lengths(&self) -> impl Iterator<Item = usize> {
        self.pieces.iter().filter_map(|piece| piece.old.as_ref()).map(|(_, range)| length(range))
    }

    /// The range of each piece in the buffer of the unit.
    pub fn places(&self) -> impl Iterator<Item = (&Piece, Range<u64>)> {
        self.pieces.iter().scan(0, |position, piece| {
            let start = *position;
            *position += padded(&piece.new);
            Some((piece, start..start + (piece.new.end - piece.new.start)))
        })
    }
}

/// The length of the range in memory.
pub fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

/// The length of the range, rounded up to a multiple of the grid.
pub fn padded(range: &Range<u64>) -> u64 {
    (range.end - range.start).next_multiple_of(GRID as u64)
}

/// The units of the wanted contents. The number beside each content tells how many of its bytes are there already: a multiple of
/// [`SEGMENT`], or all.
pub fn units<'a>(wanted: impl Iterator<Item = (&'a Wanted, u64)>, basis: &Manifest) -> Vec<Unit> {
    let mut units = vec![Unit::default()];
    for (wanted, have) in wanted {
        let old_size = wanted.like.map_or(0, |like| size_of(basis, like));
        for part in parts(wanted.size).filter(|part| part.start >= have) {
            let old = wanted.like.map(|like| (like, window(&part, old_size)));
            let piece =
                Piece { entry: wanted.entry, new: part, old: old.filter(|(_, range)| !range.is_empty()) };
            add(&mut units, piece);
        }
    }
    units.retain(|unit| !unit.pieces.is_empty());
    units
}

fn add(units: &mut Vec<Unit>, piece: Piece) {
    let old = piece.old.as_ref().map_or(0, |(_, range)| padded(range));
    match units.last_mut() {
        Some(unit)
            if unit.new_bytes() + padded(&piece.new) <= SEGMENT && unit.old_bytes() + old <= MOST_OLD =>
        {
            unit.pieces.push(piece);
        }
        _ => units.push(Unit { pieces: vec![piece] }),
    }
}

fn size_of(basis: &Manifest, index: OldIndex) -> u64 {
    match index.of(basis).kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}
