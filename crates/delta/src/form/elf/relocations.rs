//! Relocations.
//!
//! ```text
//! signed     offsets: the distance from the last one
//! numbers    types
//! 2 bytes    each: the keys of their symbols
//! signed     addends: the distance from the addend of the last relocation of the same symbol
//! ```

use std::io;

use super::keys::Keys;
use super::record::{u32_at, u64_at};
use crate::codec::{Reader, Writer};

/// Writes the columns of a table; `None` if a symbol is missing.
pub fn encode(relocations: &[u8], keys: &mut Keys, to: &mut Writer) -> Option<()> {
    let relocations = relocations.as_chunks::<24>().0;
    let mut last = 0;
    for relocation in relocations {
        let offset = u64_at(relocation, 0);
        to.signed(offset.wrapping_sub(last).cast_signed());
        last = offset;
    }
    for relocation in relocations {
        to.number(u32_at(relocation, 8).into());
    }
    for relocation in relocations {
        to.raw(&keys.key(u32_at(relocation, 12))?.to_le_bytes());
    }
    for relocation in relocations {
        let (addend, last) = (u64_at(relocation, 16), keys.addends.get_mut(u32_at(relocation, 12) as usize)?);
        to.signed(addend.wrapping_sub(*last).cast_signed());
        *last = addend;
    }
    Some(())
}

/// Fills the table.
pub fn decode(from: &mut Reader<&[u8]>, keys: &mut Keys, into: &mut [u8]) -> io::Result<()> {
    let relocations = into.as_chunks_mut::<24>().0;
    let mut last = 0u64;
    for relocation in &mut *relocations {
        last = last.wrapping_add_signed(from.signed()?);
        relocation[..8].copy_from_slice(&last.to_le_bytes());
    }
    for relocation in &mut *relocations {
        relocation[8..12].copy_from_slice(&from.small()?.to_le_bytes());
    }
    for relocation in &mut *relocations {
        let index = keys.index(u16::from_le_bytes(from.raw()?))?;
        relocation[12..16].copy_from_slice(&u32::from(index).to_le_bytes());
    }
    for relocation in relocations {
        let last = &mut keys.addends[u32_at(relocation, 12) as usize];
        *last = last.wrapping_add_signed(from.signed()?);
        relocation[16..].copy_from_slice(&last.to_le_bytes());
    }
    Ok(())
}
