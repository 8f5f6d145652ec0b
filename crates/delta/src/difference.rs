//! The difference between two buffers, as bytes.
//!
//! ```text
//! 1 byte     method: 0 whole, 1 delta, 2 prefix
//! zstd       0: the new bytes
//!            1: a delta of fast_rsync (librsync's format) that makes the new bytes from the old ones
//!            2: the new bytes, compressed with the old ones as prefix
//! ```
//!
//! Nothing here proves that the new bytes are right. Their hash is checked when they are complete.

use std::io;

use fast_rsync::{Signature, SignatureOptions, apply_limited, diff};
use zstd::zstd_safe::{CCtx, CParameter, DCtx, ErrorCode, compress_bound, get_error_name};

use crate::codec::invalid;
use crate::unit::GRID;

/// The sender's knowledge of the old bytes.
pub enum Old<'a> {
    /// Nothing.
    Unknown,
    /// Their signature.
    Signature(&'a [u8]),
    /// The bytes themselves.
    Bytes(&'a [u8]),
}

const WHOLE: u8 = 0;
const DELTA: u8 = 1;
const PREFIX: u8 = 2;

/// Bytes of the strong hash in a signature. Together with the weak hash, one pair of different blocks in 2^56 is taken for equal; the hash
/// of the whole content then shows that.
const STRONG: u32 = 3;
/// Bytes of a block, in the type of the signature's head.
const BLOCK: u32 = 1024;
const _: () = assert!(BLOCK as usize == GRID);
/// librsync's number for signatures with MD4.
const SIGNATURE_MAGIC: [u8; 4] = [0x72, 0x73, 0x01, 0x36];
const WEAK: usize = 4;

/// The signature of the old bytes: seven bytes for each block of [`GRID`] bytes.
pub fn signature(old: &[u8]) -> Vec<u8> {
    let options = SignatureOptions { block_size: BLOCK, crypto_hash_size: STRONG };
    let mut signature = Signature::calculate(old, options).into_serialized();
    signature.drain(..SIGNATURE_MAGIC.len() + 8);
    signature
}

fn parse_signature(bytes: &[u8]) -> io::Result<Signature> {
    if !bytes.len().is_multiple_of(WEAK + STRONG as usize) {
        return Err(invalid("a signature that is cut off"));
    }
    let mut whole = SIGNATURE_MAGIC.to_vec();
    whole.extend(BLOCK.to_be_bytes());
    whole.extend(STRONG.to_be_bytes());
    whole.extend(bytes);
    Signature::deserialize(whole).map_err(|_| invalid("a signature that cannot be read"))
}

/// Makes differences. It keeps its buffers from one difference to the next, because new memory each time would take longest.
#[derive(Default)]
pub struct Encoder {
    context: CCtx<'static>,
    delta: Vec<u8>,
    compressed: Vec<u8>,
}

impl Encoder {
    /// Makes the difference of the new bytes to the old ones, compressed at this level of zstd.
    pub fn encode(&mut self, new: &[u8], old: &Old<'_>, level: i32) -> io::Result<Vec<u8>> {
        match old {
            Old::Bytes(old) if !old.is_empty() => {
                let mut context = CCtx::create();
                let window = CParameter::WindowLog(window_log(old.len() + new.len()));
                for parameter in [window, CParameter::EnableLongDistanceMatching(true)] {
                    context.set_parameter(parameter).map_err(failed)?;
                }
                context.ref_prefix(old).map_err(failed)?;
                compress(&mut context, PREFIX, new, level, &mut self.compressed)
            }
            Old::Signature(signature) if !signature.is_empty() => {
                let signature = parse_signature(signature)?;
                self.delta.clear();
                diff(&signature.index(), new, &mut self.delta)
                    .map_err(|_| invalid("no delta can be made"))?;
                compress(&mut self.context, DELTA, &self.delta, level, &mut self.compressed)
            }
            _ => compress(&mut self.context, WHOLE, new, level, &mut self.compressed),
        }
    }
}

fn compress(
    context: &mut CCtx<'_>,
    method: u8,
    bytes: &[u8],
    level: i32,
    compressed: &mut Vec<u8>,
) -> io::Result<Vec<u8>> {
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
    compressed.clear();
    compressed.reserve(compress_bound(bytes.len()));
    context.compress2(compressed, bytes).map_err(failed)?;
    let mut difference = Vec::with_capacity(1 + compressed.len());
    difference.push(method);
    difference.extend_from_slice(compressed);
    Ok(difference)
}

fn failed(code: ErrorCode) -> io::Error {
    invalid(&format!("something that zstd refuses ({})", get_error_name(code)))
}

/// The logarithm of the window that spans so many bytes. zstd's smallest is 10, and no buffer here is longer than 2^27.
fn window_log(bytes: usize) -> u32 {
    (usize::BITS - bytes.leading_zeros()).clamp(10, WINDOW_MAX)
}

/// The largest window that is used: 128 MiB.
const WINDOW_MAX: u32 = 27;

/// Whether the old bytes are needed to make the new ones of this difference.
pub fn needs_old(difference: &[u8]) -> bool {
    difference.first() != Some(&WHOLE)
}

/// Makes new bytes from differences. It keeps its buffers as [`Encoder`] does.
#[derive(Default)]
pub struct Decoder {
    context: DCtx<'static>,
    delta: Vec<u8>,
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
            PREFIX => {
                let mut context = DCtx::create();
                context.ref_prefix(old).map_err(failed)?;
                decompress(&mut context, rest, size, new)?;
            }
            DELTA => {
                // In the worst case, every block of a delta is a literal of its own.
                decompress(&mut self.context, rest, size + size / 8 + 1024, &mut self.delta)?;
                new.reserve(size);
                apply_limited(old, &self.delta, new, size)
                    .map_err(|_| invalid("a delta that does not fit"))?;
            }
            _ => return Err(invalid(&format!("a difference of the unknown method {method}"))),
        }
        if new.len() == size { Ok(()) } else { Err(invalid("a difference that makes another size")) }
    }
}

/// Decompresses into the buffer. It grows to at most `most` bytes, unless it has more room already.
fn decompress(context: &mut DCtx<'_>, bytes: &[u8], most: usize, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    into.reserve(most);
    context.decompress(into, bytes).map_err(failed)?;
    if into.len() > most { Err(invalid("a difference that makes more than it may")) } else { Ok(()) }
}
