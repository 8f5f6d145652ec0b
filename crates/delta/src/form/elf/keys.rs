//! What relocations call the symbols of a table: a hash of the name instead of the index, which changes with every symbol before it.

use std::io;

use super::names::{Names, hash};
use super::record::{u16_at, u32_at};
use crate::codec::invalid;

/// Relocations of larger tables go through as they are, because hashes of 16 bits would run out.
pub const MOST_SYMBOLS: usize = 60_000;
/// The type of a symbol that stands for a section.
const SECTION: u8 = 3;
const KEYS: usize = 1 << 16;
const NO_INDEX: u16 = u16::MAX;

/// The keys of the symbols of a table, all of them different.
pub struct Keys {
    by_index: Vec<u16>,
    by_key: Vec<u16>,
    /// For each symbol, the addend of the last relocation.
    pub addends: Vec<u64>,
}

impl Keys {
    /// The keys of the symbols in these bytes. There are none if there are more symbols than keys.
    pub fn new(symbols: &[u8], names: Names<'_>, sections: &[u16]) -> Self {
        let symbols = symbols.as_chunks::<24>().0;
        let symbols = if symbols.len() > MOST_SYMBOLS { &[] } else { symbols };
        let mut free = Free::new();
        let mut by_key = vec![NO_INDEX; KEYS];
        let mut by_index = Vec::with_capacity(symbols.len());
        for (symbol, index) in symbols.iter().zip(0..) {
            let section = sections.get(usize::from(u16_at(symbol, 6))).filter(|_| symbol[4] & 15 == SECTION);
            let key = free.take(section.copied().unwrap_or_else(|| hash(names.at(u32_at(symbol, 0)))));
            by_key[usize::from(key)] = index;
            by_index.push(key);
        }
        Keys { addends: vec![0; by_index.len()], by_index, by_key }
    }

    /// The key of the symbol at this index.
    pub fn key(&self, index: u32) -> Option<u16> {
        self.by_index.get(index as usize).copied()
    }

    /// The index of the symbol with this key.
    pub fn index(&self, key: u16) -> io::Result<u16> {
        let index = self.by_key[usize::from(key)];
        if index == NO_INDEX { Err(invalid("a relocation of no symbol")) } else { Ok(index) }
    }
}

/// The keys that are still free, a bit for each.
struct Free([u64; KEYS / 64]);

impl Free {
    fn new() -> Self {
        Free([u64::MAX; KEYS / 64])
    }

    /// Takes the first free key from this one on, around the end.
    fn take(&mut self, key: u16) -> u16 {
        let (mut start, mut mask) = (key & !63, u64::MAX << (key % 64));
        for _ in 0..=self.0.len() {
            let word = &mut self.0[usize::from(start / 64)];
            if let Some(bit) = (0..64).nth((*word & mask).trailing_zeros() as usize) {
                *word &= !(1 << bit);
                return start + bit;
            }
            (start, mask) = (start.wrapping_add(64), u64::MAX);
        }
        key
    }
}
