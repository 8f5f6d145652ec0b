//! Messages on a pipe, each in a frame with a checksum. It protects against faults; ssh protects against forgers.
//!
//! ```text
//! 1 byte     kind; its meaning belongs to the protocol that uses the frames
//! 4 bytes    length of the content, little-endian, at most 32 MiB
//! 4 bytes    CRC-32 of kind, length and content, little-endian
//!            the content
//! ```

use std::io::{self, Read, Write};

use crate::codec::invalid;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: u8,
    /// Its content.
    pub content: Vec<u8>,
}

/// The longest content, bytes.
pub const MAX_CONTENT: usize = 32 << 20;
const HEAD: usize = 9;
/// Memory is reserved for so many bytes before they arrive.
const PORTION: usize = 1 << 20;

/// Writes one message and flushes.
pub fn write(to: &mut impl Write, kind: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).ok().filter(|&length| length as usize <= MAX_CONTENT);
    let length = length.ok_or_else(|| invalid("a message that is too long"))?.to_le_bytes();
    to.write_all(&[kind])?;
    to.write_all(&length)?;
    to.write_all(&checksum(kind, length, content))?;
    to.write_all(content)?;
    to.flush()
}

/// Reads one message that is not trusted.
pub fn read(from: &mut impl Read) -> io::Result<Frame> {
    let mut head = [0; HEAD];
    from.read_exact(&mut head)?;
    let [kind, a, b, c, d, sum @ ..] = head;
    let length = [a, b, c, d];
    let size = u32::from_le_bytes(length) as usize;
    if size > MAX_CONTENT {
        return Err(invalid(&format!("a message of {size} bytes, where {MAX_CONTENT} are the most")));
    }
    let mut content = Vec::new();
    while content.len() < size {
        let start = content.len();
        content.resize(size.min(start + PORTION), 0);
        from.read_exact(&mut content[start..])?;
    }
    if checksum(kind, length, &content) != sum {
        return Err(invalid("a message that is damaged"));
    }
    Ok(Frame { kind, content })
}

fn checksum(kind: u8, length: [u8; 4], content: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(&length);
    hasher.update(content);
    hasher.finalize().to_le_bytes()
}
