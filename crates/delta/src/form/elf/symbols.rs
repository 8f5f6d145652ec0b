//! Symbol tables.
//!
//! ```text
//! numbers    names: 0 if it comes after the name of the last symbol, 1 if there is none,
//!            else 2 more than the distance from that place, signed
//! 4 bytes    each: type and binding, visibility, section
//! signed     values: the distance from the value of the last symbol in the same section
//! numbers    sizes
//! ```

use std::io;

use super::names::Names;
use super::record::{u16_at, u32_at, u64_at};
use crate::codec::{Reader, Writer, invalid, unzigzag, zigzag};

/// The offset after the empty name, with which a string table begins.
const FIRST_NAME: i64 = 1;

/// Writes the columns of a table.
pub fn encode(symbols: &[u8], names: Names<'_>, sections: usize, to: &mut Writer) {
    let symbols = symbols.as_chunks::<24>().0;
    let mut next = FIRST_NAME;
    for symbol in symbols {
        let name = u32_at(symbol, 0);
        match i64::from(name) - next {
            _ if name == 0 => to.number(1),
            0 => to.number(0),
            distance => to.number(2 + zigzag(distance)),
        }
        if name != 0 {
            next = names.after(name);
        }
    }
    for symbol in symbols {
        to.raw(&symbol[4..8]);
    }
    let mut last = vec![0; sections + 1];
    for symbol in symbols {
        let (value, last) = (u64_at(symbol, 8), &mut last[usize::from(u16_at(symbol, 6)).min(sections)]);
        to.signed(value.wrapping_sub(*last).cast_signed());
        *last = value;
    }
    for symbol in symbols {
        to.number(u64_at(symbol, 16));
    }
}

/// Fills the table.
pub fn decode(
    from: &mut Reader<&[u8]>,
    names: Names<'_>,
    sections: usize,
    into: &mut [u8],
) -> io::Result<()> {
    let symbols = into.as_chunks_mut::<24>().0;
    let mut next = FIRST_NAME;
    for symbol in &mut *symbols {
        let name = match from.number()? {
            0 => next,
            1 => 0,
            distance => next.wrapping_add(unzigzag(distance - 2)),
        };
        let name = u32::try_from(name).map_err(|_| invalid("a name outside the table"))?;
        symbol[..4].copy_from_slice(&name.to_le_bytes());
        if name != 0 {
            next = names.after(name);
        }
    }
    for symbol in &mut *symbols {
        symbol[4..8].copy_from_slice(from.slice(4)?);
    }
    let mut last = vec![0u64; sections + 1];
    for symbol in &mut *symbols {
        let last = &mut last[usize::from(u16_at(symbol, 6)).min(sections)];
        *last = last.wrapping_add_signed(from.signed()?);
        symbol[8..16].copy_from_slice(&last.to_le_bytes());
    }
    for symbol in symbols {
        symbol[16..].copy_from_slice(&from.number()?.to_le_bytes());
    }
    Ok(())
}
