//! One buffer as the difference to another.
//!
//! ```text
//! 1 byte     method: 0 whole, 1 delta, 2 prefix
//! zstd       0: the new bytes
//!            1: a delta of fast_rsync (librsync's format) that makes the new bytes from the old ones
//!            2: the new bytes, compressed with the old ones as prefix
//! ```
//!
//! Nothing in here proves that the new bytes are right: they are hashed when they are complete.

use std::io::{self, Read, Write};

use fast_rsync::{Signature, SignatureOptions, apply_limited, diff};

use crate::codec::invalid;
use crate::unit::GRID;

/// What the sender knows of the old bytes.
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

/// Bytes of the strong hash in a signature: with those of the weak one, one pair of blocks in 2^56 is taken for equal, and then noticed.
const STRONG: u32 = 3;
/// Bytes of a block, as the signature's head has it.
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

/// The new bytes as a difference to the old ones, compressed at this level of zstd.
pub fn encode(new: &[u8], old: &Old<'_>, level: i32) -> io::Result<Vec<u8>> {
    match old {
        Old::Bytes(old) if !old.is_empty() => {
            let window = window_log(old.len() + new.len());
            let mut encoder = zstd::Encoder::with_ref_prefix(vec![PREFIX], level, old)?;
            encoder.set_pledged_src_size(Some(new.len() as u64))?;
            encoder.window_log(window)?;
            encoder.long_distance_matching(true)?;
            encoder.write_all(new)?;
            encoder.finish()
        }
        Old::Signature(signature) if !signature.is_empty() => {
            let signature = parse_signature(signature)?;
            let mut delta = Vec::new();
            diff(&signature.index(), new, &mut delta).map_err(|_| invalid("no delta can be made"))?;
            compress(DELTA, &delta, level)
        }
        _ => compress(WHOLE, new, level),
    }
}

fn compress(method: u8, bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(vec![method], level)?;
    encoder.set_pledged_src_size(Some(bytes.len() as u64))?;
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The window that reaches over so many bytes; zstd's smallest is 10, and nothing here is longer than 2^27.
fn window_log(bytes: usize) -> u32 {
    (usize::BITS - bytes.leading_zeros()).clamp(10, WINDOW_MAX)
}

/// The largest window that is decompressed: 128 MiB.
const WINDOW_MAX: u32 = 27;

/// The `size` new bytes from a difference that is not trusted, and the old bytes.
pub fn decode(difference: &[u8], old: &[u8], size: usize) -> io::Result<Vec<u8>> {
    let (&method, rest) = difference.split_first().ok_or_else(|| invalid("an empty difference"))?;
    let new = match method {
        WHOLE => bounded(zstd::Decoder::with_buffer(rest)?, size)?,
        PREFIX => bounded(zstd::Decoder::with_ref_prefix(rest, old)?, size)?,
        DELTA => {
            // Worst case of a delta: every block a literal of its own.
            let delta = bounded(zstd::Decoder::with_buffer(rest)?, size + size / 8 + 1024)?;
            let mut new = Vec::with_capacity(size);
            apply_limited(old, &delta, &mut new, size).map_err(|_| invalid("a delta that does not fit"))?;
            new
        }
        _ => return Err(invalid(&format!("a difference of the unknown method {method}"))),
    };
    if new.len() == size { Ok(new) } else { Err(invalid("a difference that makes another size")) }
}

fn bounded<R: io::BufRead>(mut decoder: zstd::Decoder<'_, R>, most: usize) -> io::Result<Vec<u8>> {
    decoder.window_log_max(WINDOW_MAX)?;
    let mut bytes = Vec::with_capacity(most);
    decoder.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most { Err(invalid("a difference that makes more than it may")) } else { Ok(bytes) }
}
