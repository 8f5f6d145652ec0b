//! The difference between two buffers, as bytes.
//!
//! ```text
//! 1 byte     method: 0 whole, 1 blocks, 2 prefix
//!            0: the new bytes, one frame of zstd
//!            1: a number, the length of the frame that follows; a frame with the runs (see `matches`); a frame with the literals, compressed
//!            with the blocks of all runs as prefix: both sides know these bytes
//!            2: the new bytes, one frame, compressed with the old ones as prefix
//! ```
//!
//! Nothing here proves that the new bytes are right. Their hash is checked when they are complete.

use std::io;

use zstd::zstd_safe::{CCtx, CParameter, DCtx, ErrorCode, compress_bound, get_error_name};

use crate::codec::{Reader, Writer, invalid};
use crate::matches;

/// The sender's knowledge of the old bytes.
pub enum Old<'a> {
    /// Nothing.
    Unknown,
    /// Their signature.
    Signature(&'a [u8]),
    /// The bytes themselves.
    Bytes(&'a [u8]),
}

/// From this level on, what is compressed is made once and read often: a little more time is spent. At lower levels the same makes it longer.
const THOROUGH: i32 = 12;
/// Shorter matches than zstd looks for at this level: 1 % fewer bytes for contents without old ones.
const SHORTEST_MATCH: u32 = 4;
/// A match of this length is taken from the old bytes at once. zstd takes those of 64 bytes, and misses better ones: 4 % more bytes.
const LONG_MATCH: u32 = 1024;
/// What zstd has for the level.
const BY_LEVEL: u32 = 0;

const WHOLE: u8 = 0;
const BLOCKS: u8 = 1;
const PREFIX: u8 = 2;

/// Makes differences. It keeps its buffers from one difference to the next, because new memory each time would take longest.
#[derive(Default)]
pub struct Encoder {
    context: CCtx<'static>,
    delta: Vec<u8>,
    literals: Vec<u8>,
    known: Vec<u8>,
    compressed: Vec<u8>,
}

impl Encoder {
    /// Makes the difference of the new bytes to the old ones, compressed at this level of zstd.
    pub fn encode(&mut self, new: &[u8], old: &Old<'_>, level: i32) -> io::Result<Vec<u8>> {
        let mut to = Writer::default();
        match old {
            Old::Bytes(old) if !old.is_empty() => {
                to.raw(&[PREFIX]);
                compress_with(old, new, level, &mut self.compressed)?;
            }
            Old::Signature(signature) if !signature.is_empty() => {
                to.raw(&[BLOCKS]);
                let runs = matches::find(signature, new, &mut self.delta)?;
                matches::split(&runs, new, &mut self.literals, &mut self.known);
                compress(&mut self.context, &matches::write(&runs), level, &mut self.compressed)?;
                to.bytes(&self.compressed);
                compress_with(&self.known, &self.literals, level, &mut self.compressed)?;
            }
            _ => {
                to.raw(&[WHOLE]);
                let shortest = if level >= THOROUGH { SHORTEST_MATCH } else { BY_LEVEL };
                self.context.set_parameter(CParameter::MinMatch(shortest)).map_err(failed)?;
                compress(&mut self.context, new, level, &mut self.compressed)?;
            }
        }
        to.raw(&self.compressed);
        Ok(to.0)
    }
}

/// Compresses the bytes with others as prefix.
fn compress_with(prefix: &[u8], bytes: &[u8], level: i32, compressed: &mut Vec<u8>) -> io::Result<()> {
    let mut context = CCtx::create();
    let window = CParameter::WindowLog(window_log(prefix.len() + bytes.len()));
    let longer = CParameter::LdmMinMatch(if level >= THOROUGH { LONG_MATCH } else { BY_LEVEL });
    for parameter in [window, CParameter::EnableLongDistanceMatching(true), longer] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.ref_prefix(prefix).map_err(failed)?;
    compress(&mut context, bytes, level, compressed)
}

fn compress(context: &mut CCtx<'_>, bytes: &[u8], level: i32, compressed: &mut Vec<u8>) -> io::Result<()> {
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
    compressed.clear();
    compressed.reserve(compress_bound(bytes.len()));
    context.compress2(compressed, bytes).map_err(failed)?;
    Ok(())
}

fn failed(code: ErrorCode) -> io::Error {
    invalid(&format!("something that zstd refuses ({})", get_error_name(code)))
}

/// The logarithm of the window that spans so many bytes. zstd's smallest is 10.
pub(crate) fn window_log(bytes: usize) -> u32 {
    (usize::BITS - bytes.leading_zeros()).clamp(10, WINDOW_MAX)
}

/// The largest window that is used: 128 MiB.
pub(crate) const WINDOW_MAX: u32 = 27;

/// Whether the old bytes are needed to make the new ones of this difference.
pub fn needs_old(difference: &[u8]) -> bool {
    difference.first() != Some(&WHOLE)
}

/// Makes new bytes from differences. It keeps its buffers as [`Encoder`] does.
#[derive(Default)]
pub struct Decoder {
    context: DCtx<'static>,
    runs: Vec<u8>,
    literals: Vec<u8>,
    known: Vec<u8>,
}

impl Decoder {
    /// Fills `new` with the `size` new bytes, made from the old bytes and a difference that is not trusted.
    pub fn decode(
        &mut self,
        difference: &[u8],
        old: &[u8],
        size: usize,
        new: &mut Vec<u8>,
    ) -> io::Result<()> {
        let (&method, rest) = difference.split_first().ok_or_else(|| invalid("an empty difference"))?;
        new.clear();
        match method {
            WHOLE => decompress(&mut self.context, rest, size, new)?,
            PREFIX => decompress_with(old, rest, size, new)?,
            BLOCKS => {
                let mut from = Reader(rest);
                let length = from.count(rest.len())?;
                decompress(
                    &mut self.context,
                    from.slice(length)?,
                    matches::most_written(size),
                    &mut self.runs,
                )?;
                let runs = matches::read(&self.runs, old.len(), size)?;
                matches::known(&runs, old, &mut self.known);
                let most = size.saturating_sub(self.known.len());
                decompress_with(&self.known, from.0, most, &mut self.literals)?;
                new.reserve(size);
                matches::join(&runs, &self.literals, &self.known, new);
            }
            _ => return Err(invalid(&format!("a difference of the unknown method {method}"))),
        }
        if new.len() == size { Ok(()) } else { Err(invalid("a difference that makes another size")) }
    }
}

/// Decompresses bytes that were compressed with others as prefix.
fn decompress_with(prefix: &[u8], bytes: &[u8], most: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let mut context = DCtx::create();
    context.ref_prefix(prefix).map_err(failed)?;
    decompress(&mut context, bytes, most, into)
}

/// Decompresses into the buffer. It grows to at most `most` bytes, unless it has more room already.
fn decompress(context: &mut DCtx<'_>, bytes: &[u8], most: usize, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    into.reserve(most);
    context.decompress(into, bytes).map_err(failed)?;
    if into.len() > most { Err(invalid("a difference that makes more than it may")) } else { Ok(()) }
}
