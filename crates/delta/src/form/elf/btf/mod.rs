//! BTF, the types of a kernel module. They refer to types and strings of the module itself, and to those of the kernel, whose numbers come
//! before the module's own.
//!
//! ```text
//! 8 bytes    the first fields of the header
//! number     bytes of the strings
//! number     where the module's own type numbers begin
//! number     where the module's own string offsets begin
//! number     types
//!            the strings
//! 4 bytes    for each type: kind and number of members
//! six columns of numbers: names of types, references to types, sizes and the like, names of members, types of members,
//!            offsets and values of members
//! ```

mod decode;
mod encode;
mod references;
mod words;

pub use decode::decode;
pub use encode::encode;

use super::headers::Section;
use super::names::Names;
use super::record::{u16_at, u32_at};
use words::Words;

/// Bytes of the header.
const HEAD: usize = 24;
/// Bytes of the header that are sent.
const SENT: usize = 8;
const MAGIC: u16 = 0xeb9f;

/// The types of a module.
pub struct Types<'a> {
    head: &'a [u8; HEAD],
    words: Words<'a>,
    strings: &'a [u8],
}

/// The section with BTF, and its types. `None` if there is none, or if its header is an unusual one.
pub fn find<'a>(file: &'a [u8], sections: &[Section], names: Names<'_>) -> Option<(usize, Types<'a>)> {
    let section = sections.iter().position(|section| names.at(section.name()) == b".BTF")?;
    let range = sections[section].range(file.len())?;
    Some((section, Types::read(file.get(range)?)?))
}

impl<'a> Types<'a> {
    fn read(section: &'a [u8]) -> Option<Self> {
        let (head, rest) = section.split_first_chunk::<HEAD>()?;
        let [length, start, types, after, strings] = [4, 8, 12, 16, 20].map(|at| u32_at(head, at) as usize);
        let is_usual = u16_at(head, 0) == MAGIC && length == HEAD && start == 0 && after == types;
        let (types, names) =
            rest.split_at_checked(types).filter(|(_, names)| is_usual && names.len() == strings)?;
        Some(Types { head, words: Words::read(types)?, strings: names })
    }
}
