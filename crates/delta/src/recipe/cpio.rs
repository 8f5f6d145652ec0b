//! Archives of cpio, in the format "newc" with or without checksums, as the kernel unpacks them.

use std::io::{self, Read};

use super::collect::Collect;
use super::source::Source;

/// Bytes by which an archive is known.
pub const MAGIC: usize = 6;
/// Bytes of a member's header.
const HEADER: usize = 110;
/// Hexadecimal digits of each of its fields.
const FIELD: usize = 8;
/// Members begin at multiples of this many bytes.
const GRID: usize = 4;
/// A longer name is no name.
const MOST_NAME: usize = 1 << 16;
/// Larger members stay literals.
const MOST_MEMBER: usize = 32 << 20;
const TRAILER: &[u8] = b"TRAILER!!!\0";

/// Whether an archive begins with these bytes.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"070701") || bytes.starts_with(b"070702")
}

/// Takes archives and the zeros around them from the stream, until something else comes.
pub fn archives<R: Read>(from: &mut Source<R>, to: &mut Collect<'_>) -> io::Result<()> {
    loop {
        let next = from.peek(HEADER)?;
        let zeros = next.iter().take_while(|byte| **byte == 0).count();
        if zeros > 0 {
            to.literal(from, zeros)?;
        } else if !member(from, to)? {
            return Ok(());
        }
    }
}

/// Takes one member.
fn member<R: Read>(from: &mut Source<R>, to: &mut Collect<'_>) -> io::Result<bool> {
    let header = from.peek(HEADER)?;
    let (Some(size), Some(name)) = (field(header, 6), field(header, 11)) else { return Ok(false) };
    if !begins(header) || name > MOST_NAME {
        return Ok(false);
    }
    let before_data = (HEADER + name).next_multiple_of(GRID);
    let whole = from.peek(before_data)?;
    if whole.len() < before_data {
        return Ok(false);
    }
    let is_last = whole[HEADER..].starts_with(TRAILER);
    to.literal(from, before_data)?;
    if is_last || size > MOST_MEMBER {
        return Ok(true);
    }
    to.member(from, size)?;
    let padding = size.next_multiple_of(GRID) - size;
    // At the end of a stream, the padding may be missing.
    let there = from.peek(padding)?.len().min(padding);
    to.literal(from, there)?;
    Ok(true)
}

/// A field of a header.
fn field(header: &[u8], index: usize) -> Option<usize> {
    let start = MAGIC + index * FIELD;
    let digits = str::from_utf8(header.get(start..start + FIELD)?).ok()?;
    if digits.starts_with('+') { None } else { usize::from_str_radix(digits, 16).ok() }
}
