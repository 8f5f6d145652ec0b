//! The names in a string table.

use super::headers::Section;

/// A string table: names, each with a zero at its end.
#[derive(Clone, Copy)]
pub struct Names<'a>(pub &'a [u8]);

/// More bytes of a name are not looked at, so that a table without zeros takes no long time.
const MOST: usize = 256;

impl<'a> Names<'a> {
    /// The name at this offset, or its first bytes; empty if there is none.
    pub fn at(self, offset: u32) -> &'a [u8] {
        let name = self.0.get(offset as usize..).unwrap_or_default();
        let name = &name[..name.len().min(MOST)];
        &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())]
    }

    /// The offset after the name at this offset, where the next name begins.
    pub fn after(self, offset: u32) -> i64 {
        i64::from(offset) + (1 + self.at(offset).len() as u64).cast_signed()
    }

    /// The hashes of the names of the sections.
    pub fn hashes(self, sections: &[Section]) -> Vec<u16> {
        sections.iter().map(|section| hash(self.at(section.name()))).collect()
    }
}

/// A hash of the name: FNV-1a of 64 bits, folded to 16.
pub fn hash(name: &[u8]) -> u16 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    ((hash ^ hash >> 29) & 0xffff) as u16
}
