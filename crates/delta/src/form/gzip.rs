//! The form of gzip files: their plain text, which has more in common with that of another version than the files have.
//!
//! ```text
//! number     the level of GNU gzip
//! bytes      the head of the file, to the compressed bytes
//! bytes      what follows the member
//! rest       the plain text
//! ```
//!
//! Only files that [`Encoder`] makes again have this form.

use std::io::{self, Read};

use flate2::bufread::DeflateDecoder;

use super::deflate::{Encoder, Program};
use crate::codec::{Reader, Writer, invalid};

/// Plain text of one form at most.
const MOST: usize = 64 << 20;
/// Bytes of a head at most: a file's name, seldom more.
pub const MOST_HEAD: usize = 4096;
/// Bytes that may follow the member: padding.
const MOST_TAIL: usize = 1 << 16;
/// Checksum and size after the compressed bytes.
pub const TRAILER: usize = 8;
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// The form of a gzip file; `None` for other files, and for those that cannot be made again from it.
pub fn encode(bytes: &[u8]) -> Option<Vec<u8>> {
    let Parts { head, compressed, tail, plain } = parts(bytes)?;
    let mut guess = Guess::new(head, compressed, u64::MAX);
    guess.push(&plain);
    Some(to_form(guess.finish(compressed.len())?, head, tail, &plain))
}

/// What the form of another file is compared with: the form of this one, without a proof that the file can be made again.
pub fn reference(bytes: &[u8]) -> Option<Vec<u8>> {
    let Parts { head, tail, plain, .. } = parts(bytes)?;
    Some(to_form(likely_level(head), head, tail, &plain))
}

/// Makes the file of `size` bytes from its form, which is not trusted.
pub fn decode(form: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let mut from = Reader(form);
    let level = from.number()?;
    let (mut file, tail) = (from.bytes(MOST_HEAD)?, from.bytes(MOST_TAIL)?);
    let plain = from.0;
    let level = u8::try_from(level).ok();
    let mut encoder = level
        .and_then(|level| Encoder::new(Program::Gzip, level))
        .ok_or_else(|| invalid("an unknown level of gzip"))?;
    for chunk in plain.chunks(CHUNK) {
        file.extend(encoder.push(chunk));
        if file.len() > size {
            break;
        }
    }
    file.extend(encoder.finish());
    file.extend(Check::of(plain).trailer());
    file.extend(tail);
    if file.len() == size { Ok(file) } else { Err(invalid("a form that makes another size")) }
}

/// Bytes that are worked on at a time.
const CHUNK: usize = 1 << 16;

fn to_form(level: u8, head: &[u8], tail: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut form = Writer(Vec::with_capacity(plain.len() + head.len() + tail.len() + 16));
    form.number(u64::from(level));
    form.bytes(head);
    form.bytes(tail);
    form.raw(plain);
    form.0
}

/// A gzip file taken apart.
struct Parts<'a> {
    head: &'a [u8],
    compressed: &'a [u8],
    tail: &'a [u8],
    plain: Vec<u8>,
}

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (head, rest) = bytes.split_at_checked(head_length(bytes)?)?;
    let mut inflating = DeflateDecoder::new(rest);
    let mut plain = Vec::new();
    inflating.by_ref().take(MOST as u64 + 1).read_to_end(&mut plain).ok()?;
    let after = inflating.into_inner();
    let compressed = rest.strip_suffix(after)?;
    let (trailer, tail) = after.split_first_chunk::<TRAILER>()?;
    let fits = plain.len() <= MOST && tail.len() <= MOST_TAIL && *trailer == Check::of(&plain).trailer();
    fits.then_some(Parts { head, compressed, tail, plain })
}

/// The length of a gzip member's head (RFC 1952, 2.3); `None` if there is none, or not all of it.
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    let (fixed, _) = bytes.split_first_chunk::<10>()?;
    let flags = fixed[3];
    if !fixed.starts_with(&MAGIC) || flags & !0x1f != 0 {
        return None;
    }
    let mut length = fixed.len();
    if flags & 4 != 0 {
        let [low, high] = *bytes.get(length..)?.first_chunk::<2>()?;
        length += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for string in [8, 16] {
        if flags & string != 0 {
            length += bytes.get(length..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & 2 != 0 {
        length += 2;
    }
    (length <= bytes.len().min(MOST_HEAD)).then_some(length)
}

/// The level by which a member with this head was probably made.
pub fn likely_level(head: &[u8]) -> u8 {
    levels(head)[0]
}

/// The levels that a head may stand for, the likely ones first: gzip notes the slowest and the fastest.
fn levels(head: &[u8]) -> &'static [u8] {
    match head.get(8) {
        Some(2) => &[9],
        Some(4) => &[1],
        _ => &[6, 9, 8, 7, 5, 4, 3, 2, 1],
    }
}

/// The checksum and the size of a plain text.
#[derive(Default)]
pub struct Check {
    checksum: crc32fast::Hasher,
    size: u64,
}

impl Check {
    fn of(plain: &[u8]) -> Self {
        let mut check = Check::default();
        check.add(plain);
        check
    }

    /// Adds the next bytes.
    pub fn add(&mut self, plain: &[u8]) {
        self.checksum.update(plain);
        self.size += plain.len() as u64;
    }

    /// What gzip writes after the compressed bytes.
    pub fn trailer(self) -> [u8; TRAILER] {
        let size = self.size & u64::from(u32::MAX);
        (u64::from(self.checksum.finalize()) | size << 32).to_le_bytes()
    }
}

/// Finds the level by which a member was made: it makes the member again at each level that is possible.
pub struct Guess<'a> {
    compressed: &'a [u8],
    /// Plain bytes that are still tried.
    untried: u64,
    /// Each level that is possible, and how many of its bytes have matched.
    left: Vec<(u8, Encoder, usize)>,
}

impl<'a> Guess<'a> {
    /// All levels are possible that the head allows. `compressed` may be more than the member has; [`Guess::finish`] tells where it ends.
    /// At most `most` plain bytes are tried: a member that was made by another program differs early.
    pub fn new(head: &[u8], compressed: &'a [u8], most: u64) -> Self {
        let encoder = |&level: &u8| Some((level, Encoder::new(Program::Gzip, level)?, 0));
        Guess { compressed, untried: most, left: levels(head).iter().filter_map(encoder).collect() }
    }

    /// Takes in the next plain bytes.
    pub fn push(&mut self, plain: &[u8]) {
        let compressed = self.compressed;
        let tried = usize::try_from(self.untried).map_or(plain.len(), |untried| plain.len().min(untried));
        let plain = &plain[..tried];
        self.untried -= plain.len() as u64;
        for chunk in plain.chunks(CHUNK) {
            self.left.retain_mut(|(_, encoder, matched)| advance(compressed, matched, &encoder.push(chunk)));
        }
    }

    /// Whether no level is left.
    pub fn has_failed(&self) -> bool {
        self.left.is_empty()
    }

    /// The level that has made the first `length` compressed bytes, which are all of the member; or what was tried of them.
    pub fn finish(self, length: usize) -> Option<u8> {
        let compressed = self.compressed;
        if self.untried == 0 {
            return self.left.first().map(|(level, ..)| *level);
        }
        let has_made = |(level, encoder, mut matched): (u8, Encoder, usize)| {
            (advance(compressed, &mut matched, &encoder.finish()) && matched == length).then_some(level)
        };
        self.left.into_iter().find_map(has_made)
    }
}

fn advance(compressed: &[u8], matched: &mut usize, made: &[u8]) -> bool {
    let matches = compressed.get(*matched..).is_some_and(|rest| rest.starts_with(made));
    *matched += made.len();
    matches
}
