//! A recipe as it travels: as a difference to the literals of an old content.
//!
//! ```text
//! number     the length of the outline
//! number     the number of literals
//! rest       the difference (`crate::difference`) that makes outline and literals from the old literals
//! ```

use std::io;

use super::{MOST_LITERALS, Recipe};
use crate::codec::{Reader, Writer};
use crate::difference::{Decoder, Encoder, Old};

/// Bytes of an outline at most.
const MOST_OUTLINE: usize = 1 << 20;

impl Recipe {
    /// The recipe as a difference to old literals, compressed at this level of zstd.
    pub fn to_difference(&self, old: &Old<'_>, level: i32) -> io::Result<Vec<u8>> {
        let mut whole = self.outline();
        let mut to = Writer::default();
        to.number(whole.len() as u64);
        to.number(self.literals.len() as u64);
        whole.extend_from_slice(&self.literals);
        to.raw(&Encoder::default().encode(&whole, old, level)?);
        Ok(to.0)
    }

    /// The recipe from its difference to the old literals, which is not trusted.
    pub fn from_difference(difference: &[u8], old: &[u8]) -> io::Result<Self> {
        let mut from = Reader(difference);
        let (outline, literals) = (from.count(MOST_OUTLINE)?, from.count(MOST_LITERALS)?);
        let mut whole = Vec::new();
        Decoder::default().decode(from.0, old, outline + literals, &mut whole)?;
        let literals = whole.split_off(outline);
        Recipe::read(&whole, literals)
    }
}
