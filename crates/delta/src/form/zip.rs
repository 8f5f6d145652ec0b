//! The form of zip archives, which jars and wheels are: their members in place, each unpacked.
//!
//! ```text
//! number     how many members are unpacked
//! for each   number: bytes as they are before it; byte: level of zlib; number: bytes of its plain text
//! rest       the bytes as they are, and each plain text in its place
//! ```
//!
//! Only members that [`Encoder`] makes again are unpacked. All else stays as it is: headers, members that are stored, the directory.

use std::io::{self, Read};
use std::ops::Range;

use flate2::bufread::DeflateDecoder;

use super::deflate::{Encoder, Program};
use crate::codec::{Reader, Writer, invalid};

/// Plain text of one archive at most. Members beyond that stay as they are.
const MOST: usize = 16 << 20;
/// Members of one archive at most that are unpacked.
const MOST_MEMBERS: usize = 1 << 16;
/// After so many members that no encoder makes again, an archive is taken to be made by another program.
const MOST_FAILURES: usize = 8;

const MEMBER: [u8; 4] = *b"PK\x03\x04";
const MEMBER_HEAD: usize = 30;
const DIRECTORY: [u8; 4] = *b"PK\x01\x02";
const DIRECTORY_HEAD: usize = 46;
const END: [u8; 4] = *b"PK\x05\x06";
const END_HEAD: usize = 22;
/// A comment behind the end.
const MOST_COMMENT: usize = u16::MAX as usize;
/// The method of a member that is compressed.
const DEFLATED: u16 = 8;

/// The levels of zlib that are tried, the usual ones first.
const LEVELS: [u8; 4] = [6, 9, 1, 5];

/// Whether a zip archive may begin with these bytes.
pub fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(&MEMBER)
}

/// The form of an archive; `None` for other files, and if no member can be made again.
pub fn encode(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut usual, mut failures) = (LEVELS[0], 0);
    form(bytes, |compressed, plain| {
        if failures == MOST_FAILURES {
            return None;
        }
        let others = LEVELS.into_iter().filter(|level| *level != usual);
        let found = std::iter::once(usual).chain(others).find(|level| makes(*level, plain, compressed));
        match found {
            Some(level) => usual = level,
            None => failures += 1,
        }
        found
    })
}

/// What the form of another archive is compared with: the form of this one, without a proof that it can be made again.
pub fn reference(bytes: &[u8]) -> Option<Vec<u8>> {
    form(bytes, |_, _| Some(LEVELS[0]))
}

/// Makes the archive of `size` bytes from its form, which is not trusted.
pub fn decode(form: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut from = Reader(form);
    let mut members = Vec::new();
    for _ in 0..from.count(MOST_MEMBERS)? {
        let (before, [level], plain) = (from.count(form.len())?, from.raw()?, from.count(form.len())?);
        members.push((before, level, plain));
    }
    let mut archive = Vec::new();
    for (before, level, plain) in members {
        archive.extend_from_slice(from.slice(before)?);
        let encoder =
            Encoder::new(Program::Zlib, level).ok_or_else(|| invalid("an unknown level of zlib"))?;
        compress(encoder, from.slice(plain)?, &mut |made| {
            archive.extend_from_slice(made);
            archive.len() <= size
        });
        if archive.len() > size {
            break;
        }
    }
    archive.extend_from_slice(from.0);
    if archive.len() == size { Ok(archive) } else { Err(invalid("a form that makes another size")) }
}

/// Bytes that are worked on at a time.
const CHUNK: usize = 1 << 16;

/// Gives what is made of the plain text to `take`, as long as that wants more.
fn compress(mut encoder: Encoder, plain: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) {
    if plain.chunks(CHUNK).all(|chunk| take(&encoder.push(chunk))) {
        take(&encoder.finish());
    }
}

/// Whether zlib makes these compressed bytes of the plain text at this level.
fn makes(level: u8, plain: &[u8], compressed: &[u8]) -> bool {
    let Some(encoder) = Encoder::new(Program::Zlib, level) else { return false };
    let mut rest = Some(compressed);
    compress(encoder, plain, &mut |made| {
        rest = rest.and_then(|rest| rest.strip_prefix(made));
        rest.is_some()
    });
    rest.is_some_and(<[u8]>::is_empty)
}

/// The form, with those members unpacked for which `level` finds by which level they are made of their plain text.
fn form(bytes: &[u8], mut level: impl FnMut(&[u8], &[u8]) -> Option<u8>) -> Option<Vec<u8>> {
    let (mut head, mut rest, mut count) = (Writer::default(), Vec::with_capacity(bytes.len()), 0u64);
    let (mut position, mut room) = (0, MOST);
    for Range { start, end } in members(bytes)? {
        let Some(compressed) = bytes.get(start..end).filter(|_| start >= position) else { continue };
        let Some(plain) = unpacked(compressed, room) else { continue };
        let Some(level) = level(compressed, &plain) else { continue };
        head.number((start - position) as u64);
        head.raw(&[level]);
        head.number(plain.len() as u64);
        rest.extend_from_slice(&bytes[position..start]);
        rest.extend_from_slice(&plain);
        (position, room, count) = (end, room - plain.len(), count + 1);
    }
    if count == 0 {
        return None;
    }
    let mut form = Writer::default();
    form.number(count);
    form.raw(&head.0);
    form.raw(&rest);
    form.raw(&bytes[position..]);
    Some(form.0)
}

/// The plain text, if it fits into the room and the compressed bytes are all that it takes.
fn unpacked(compressed: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut inflating = DeflateDecoder::new(compressed);
    let mut plain = Vec::new();
    inflating.by_ref().take(room as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= room && inflating.into_inner().is_empty()).then_some(plain)
}

/// The places of the compressed bytes of the members, in the order of the archive, as its directory tells them.
fn members(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let last = bytes.len().checked_sub(END_HEAD)?;
    let ends = bytes.get(last.saturating_sub(MOST_COMMENT)..)?;
    let end = ends.windows(END.len()).rposition(|window| window == END)?;
    let mut directory = bytes.get(long(ends.get(end..)?, 16)?..)?;
    let mut members = Vec::new();
    while directory.starts_with(&DIRECTORY) && members.len() < MOST_MEMBERS {
        let (method, size, place) = (short(directory, 10)?, long(directory, 20)?, long(directory, 42)?);
        let variable: usize =
            [28, 30, 32].map(|field| short(directory, field)).into_iter().flatten().map(usize::from).sum();
        let after = directory.get(DIRECTORY_HEAD + variable..)?;
        let head = bytes.get(place..).filter(|head| method == DEFLATED && head.starts_with(&MEMBER));
        if let Some(start) = head.and_then(|head| {
            Some(place + MEMBER_HEAD + usize::from(short(head, 26)?) + usize::from(short(head, 28)?))
        }) {
            members.push(start..start.checked_add(size)?);
        }
        directory = after;
    }
    members.sort_by_key(|member| member.start);
    Some(members)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_le_bytes(*field))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}
