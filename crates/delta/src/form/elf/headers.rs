//! The headers of the sections.
//!
//! ```text
//! ten columns of as many numbers as there are sections, one for each field in the order of the table;
//! instead of the offset, the distance (signed) from the end of the section before, rounded up to the alignment
//! ```

use std::io;
use std::ops::Range;

use super::record::{u16_at, u32_at, u64_at};
use crate::codec::{Reader, Writer, invalid};

/// Bytes of the header of the file.
pub const HEAD: usize = 64;
/// Bytes of the header of a section.
const ENTRY: usize = 64;
/// The field that is sent as a distance.
const OFFSET: usize = 4;
/// A section without bytes in the file.
const NULL: u32 = 0;
const NOBITS: u32 = 8;
/// Alignments above a page are no alignments in the file.
const MOST_ALIGN: u64 = 4096;
/// The section headers themselves are aligned to this.
const TABLE_ALIGN: u64 = 8;

/// The header of the file.
pub struct Head<'a>(pub &'a [u8; HEAD]);

impl Head<'_> {
    /// The range of the section headers, if they begin at `start` and fit into a file of this size.
    pub fn table(&self, start: u64, size: usize) -> Option<Range<usize>> {
        let start = usize::try_from(start).ok().filter(|&start| start >= HEAD)?;
        let end = start.checked_add(ENTRY * self.count())?;
        let is_good = self.count() > 0 && usize::from(u16_at(self.0, 58)) == ENTRY && end <= size;
        is_good.then_some(start..end)
    }

    /// The number of sections.
    pub fn count(&self) -> usize {
        u16_at(self.0, 60).into()
    }

    /// The section with the names of sections.
    pub fn names(&self) -> usize {
        u16_at(self.0, 62).into()
    }
}

/// The header of a section: the ten fields in their order.
#[derive(Clone, Copy, Default)]
pub struct Section([u64; 10]);

impl Section {
    fn read(entry: &[u8; ENTRY]) -> Self {
        let [name, kind, link, info] = [0, 4, 40, 44].map(|at| u64::from(u32_at(entry, at)));
        let [flags, address, offset, size, align, entry] =
            [8, 16, 24, 32, 48, 56].map(|at| u64_at(entry, at));
        Section([name, kind, flags, address, offset, size, link, info, align, entry])
    }

    fn write(&self, entry: &mut [u8; ENTRY]) {
        let mut rest = &mut entry[..];
        for (field, value) in self.0.iter().enumerate() {
            let (place, after) = rest.split_at_mut(width(field));
            place.copy_from_slice(&value.to_le_bytes()[..width(field)]);
            rest = after;
        }
    }

    /// The offset of its name.
    pub fn name(&self) -> u32 {
        low(self.0[0])
    }

    /// Its type.
    pub fn kind(&self) -> u32 {
        low(self.0[1])
    }

    /// The section that it refers to.
    pub fn link(&self) -> usize {
        low(self.0[6]) as usize
    }

    /// Bytes of an entry, if it is a table.
    pub fn entry(&self) -> u64 {
        self.0[9]
    }

    /// Its bytes in the file; `None` if it has none in a file of this size.
    pub fn range(&self, size: usize) -> Option<Range<usize>> {
        let start = usize::try_from(self.0[OFFSET]).ok()?;
        let end = start.checked_add(usize::try_from(self.0[5]).ok()?)?;
        (self.has_bytes() && start < end && end <= size).then_some(start..end)
    }

    fn has_bytes(&self) -> bool {
        self.kind() != NULL && self.kind() != NOBITS
    }

    /// The offset after it, if the last one ended at `end`.
    fn end(&self, end: u64) -> u64 {
        if self.has_bytes() { self.0[OFFSET].wrapping_add(self.0[5]) } else { end }
    }

    /// Where it should begin, if the last one ended at `end`.
    fn expected(&self, end: u64) -> u64 {
        aligned(end, self.0[8])
    }
}

/// Bytes of a field.
fn width(field: usize) -> usize {
    if matches!(field, 0 | 1 | 6 | 7) { 4 } else { 8 }
}

/// A field of 32 bits.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn aligned(end: u64, align: u64) -> u64 {
    let align = align.clamp(1, MOST_ALIGN);
    end.wrapping_add(align - 1) / align * align
}

/// The sections of a table.
pub fn read(table: &[u8]) -> Vec<Section> {
    table.as_chunks().0.iter().map(Section::read).collect()
}

/// Fills the table.
pub fn write(sections: &[Section], table: &mut [u8]) {
    for (section, entry) in sections.iter().zip(table.as_chunks_mut().0) {
        section.write(entry);
    }
}

/// Where the table should begin: after the last section.
pub fn end(sections: &[Section]) -> u64 {
    aligned(sections.iter().fold(HEAD as u64, |end, section| section.end(end)), TABLE_ALIGN)
}

/// Writes the columns.
pub fn encode(sections: &[Section], to: &mut Writer) {
    for field in 0..10 {
        let mut end = HEAD as u64;
        for section in sections {
            if field == OFFSET {
                to.signed(section.0[field].wrapping_sub(section.expected(end)).cast_signed());
                end = section.end(end);
            } else {
                to.number(section.0[field]);
            }
        }
    }
}

/// Reads the columns of so many sections of a file of `size` bytes.
pub fn decode(from: &mut Reader<&[u8]>, count: usize, size: usize) -> io::Result<Vec<Section>> {
    if count > size / ENTRY {
        return Err(invalid("more sections than the file has room for"));
    }
    let mut sections = vec![Section::default(); count];
    for field in 0..10 {
        for section in &mut sections {
            section.0[field] = match width(field) {
                _ if field == OFFSET => from.signed()?.cast_unsigned(),
                4 => from.small()?.into(),
                _ => from.number()?,
            };
        }
    }
    let mut end = HEAD as u64;
    for section in &mut sections {
        section.0[OFFSET] = section.expected(end).wrapping_add(section.0[OFFSET]);
        end = section.end(end);
    }
    Ok(sections)
}
