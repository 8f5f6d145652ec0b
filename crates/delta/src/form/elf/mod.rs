//! ELF files of 64 bits, little-endian: kernel modules, programs, libraries.
//!
//! When a function grows, the offsets behind it change, and with them numbers in tables all over the file. Here these tables are columns
//! of numbers that stay the same: distances instead of offsets, hashes of names instead of indexes. Everything else goes through as it is.

mod btf;
mod headers;
mod keys;
mod layout;
mod names;
mod record;
mod relocations;
mod symbols;

use std::io;
use std::ops::Range;

use crate::codec::{Reader, Writer, invalid};
use headers::Head;
use keys::Keys;
use layout::{Content, Layout, Part};
use names::Names;

/// In the header of the file: the offset of the section headers, which is not sent.
const TABLE_OFFSET: Range<usize> = 40..48;

/// Whether the bytes begin an ELF file of 64 bits, little-endian.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x02\x01")
}

/// The file in its form; `None` if its tables do not fit together.
pub fn encode(file: &[u8]) -> Option<Vec<u8>> {
    let head = Head(file.first_chunk().filter(|_| begins(file))?);
    let table = head.table(record::u64_at(head.0, TABLE_OFFSET.start), file.len())?;
    let sections = headers::read(file.get(table.clone())?);
    let layout = Layout::new(&sections, &table, file.len());
    let mut to = Writer(Vec::with_capacity(file.len()));
    to.raw(&head.0[..TABLE_OFFSET.start]);
    to.raw(&head.0[TABLE_OFFSET.end..]);
    headers::encode(&sections, &mut to);
    to.signed((table.start as u64).wrapping_sub(headers::end(&sections)).cast_signed());
    let section_names =
        Names(layout.strings(head.names()).and_then(|range| file.get(range)).unwrap_or_default());
    let types = btf::find(file, &sections, section_names);
    to.number(types.as_ref().map_or(0, |(section, _)| *section as u64));
    let mut keys = Vec::new();
    for Part { range, content } in layout.parts(types.as_ref().map(|(section, _)| *section)) {
        let bytes = file.get(range)?;
        match content {
            Content::Bytes => to.raw(bytes),
            Content::Symbols { section, names } => {
                let names = Names(file.get(names)?);
                symbols::encode(bytes, names, sections.len(), &mut to);
                keys.push((section, Keys::new(bytes, names, &section_names.hashes(&sections))));
            }
            Content::Relocations { symbols } => {
                relocations::encode(bytes, of_section(&mut keys, symbols)?, &mut to)?;
            }
            Content::Types => btf::encode(&types.as_ref()?.1, &mut to),
        }
    }
    Some(to.0)
}

/// The file of `size` bytes that has this form.
pub fn decode(bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let damaged = || invalid("an ELF file whose tables do not fit together");
    let mut from = Reader(bytes);
    let mut file = vec![0; size];
    let mut head = [0; headers::HEAD];
    head[..TABLE_OFFSET.start].copy_from_slice(from.slice(TABLE_OFFSET.start)?);
    head[TABLE_OFFSET.end..].copy_from_slice(from.slice(headers::HEAD - TABLE_OFFSET.end)?);
    let sections = headers::decode(&mut from, Head(&head).count(), size)?;
    let start = headers::end(&sections).wrapping_add_signed(from.signed()?);
    head[TABLE_OFFSET].copy_from_slice(&start.to_le_bytes());
    let table = Head(&head).table(start, size).ok_or_else(damaged)?;
    *file.first_chunk_mut().ok_or_else(damaged)? = head;
    headers::write(&sections, file.get_mut(table.clone()).ok_or_else(damaged)?);
    let types = Some(from.count(sections.len())?).filter(|&section| section > 0);
    let layout = Layout::new(&sections, &table, size);
    let mut keys = Vec::new();
    for Part { range, content } in layout.parts(types) {
        match content {
            Content::Bytes => {
                let bytes = from.slice(range.len())?;
                file.get_mut(range).ok_or_else(damaged)?.copy_from_slice(bytes);
            }
            Content::Symbols { section, names } => {
                let section_names = layout.strings(Head(&head).names()).and_then(|range| file.get(range));
                let section_names = Names(section_names.unwrap_or_default()).hashes(&sections);
                let [names, into] = file.get_disjoint_mut([names, range]).map_err(|_| damaged())?;
                symbols::decode(&mut from, Names(names), sections.len(), into)?;
                keys.push((section, Keys::new(into, Names(names), &section_names)));
            }
            Content::Relocations { symbols } => {
                let keys = of_section(&mut keys, symbols).ok_or_else(damaged)?;
                relocations::decode(&mut from, keys, file.get_mut(range).ok_or_else(damaged)?)?;
            }
            Content::Types => btf::decode(&mut from, file.get_mut(range).ok_or_else(damaged)?)?,
        }
    }
    if from.0.is_empty() { Ok(file) } else { Err(invalid("an ELF file with bytes left over")) }
}

fn of_section(keys: &mut [(usize, Keys)], section: usize) -> Option<&mut Keys> {
    keys.iter_mut().find(|(other, _)| *other == section).map(|(_, keys)| keys)
}
