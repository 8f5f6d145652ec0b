//! The blocks of an old buffer that a new one has too, found by a signature of the old one.
//!
//! The new buffer is a row of *runs*: literals, and then blocks of the old buffer. What is written of the runs:
//!
//! ```text
//! number     how many runs
//!            three columns of numbers, one for each run:
//! numbers    bytes of literals
//! signed     blocks from the end of the last run's blocks in the old buffer to the beginning of this run's
//! numbers    blocks
//! ```
//!
//! The literals after the last run are not written.

use std::io;
use std::ops::Range;

use fast_rsync::{Signature, SignatureOptions, diff};

use crate::codec::{Reader, Writer, invalid};
use crate::unit::GRID;

/// Bytes of the strong hash in a signature. Together with the weak hash, one pair of different blocks in 2^48 is taken for equal. Such a block
/// stands alone, and [`drop_stray`] takes it out of the runs; the hash of the whole content shows what is wrong still.
const STRONG: u32 = 2;
/// Bytes of a block. A smaller one finds more, and makes signatures longer.
pub const BLOCK: usize = 256;
/// The same in the type of the signature's head.
const HEAD_BLOCK: u32 = 256;
const _: () = assert!(BLOCK == HEAD_BLOCK as usize && GRID.is_multiple_of(BLOCK));
/// librsync's number for signatures with MD4.
const SIGNATURE_MAGIC: [u8; 4] = [0x72, 0x73, 0x01, 0x36];
const WEAK: usize = 4;
/// Most old bytes that have a signature.
pub const MOST_OLD: usize = 32 << 20;
/// Most bytes of what is in the frame of a signature.
const MOST_BLOCKS: usize = MOST_OLD / BLOCK * (WEAK + STRONG as usize);
/// Most bytes of a signature. zstd makes what it cannot compress a little longer.
pub const MOST_SIGNATURE: usize = MOST_BLOCKS + (MOST_BLOCKS >> 8) + 64;
/// zstd makes a tenth less of signatures: some blocks are the same, and the weak hash does not use all its bits.
const LEVEL: i32 = 1;

/// Literals, and the blocks of the old buffer after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    literals: usize,
    old: Range<usize>,
}

/// The signature of the old bytes, of which there are at most [`MOST_OLD`]: a frame of zstd with six bytes for each [`BLOCK`]; nothing if
/// there are no old bytes.
pub fn signature(old: &[u8]) -> io::Result<Vec<u8>> {
    if old.is_empty() {
        return Ok(Vec::new());
    }
    let options = SignatureOptions { block_size: HEAD_BLOCK, crypto_hash_size: STRONG };
    let signature = Signature::calculate(old, options).into_serialized();
    zstd::bulk::compress(signature.get(SIGNATURE_MAGIC.len() + 8..).unwrap_or_default(), LEVEL)
}

fn parse_signature(signature: &[u8]) -> io::Result<Signature> {
    let unreadable = |_| invalid("a signature that cannot be read");
    let bytes = zstd::bulk::decompress(signature, MOST_BLOCKS).map_err(unreadable)?;
    if !bytes.len().is_multiple_of(WEAK + STRONG as usize) {
        return Err(invalid("a signature that is cut off"));
    }
    let mut whole = SIGNATURE_MAGIC.to_vec();
    whole.extend(HEAD_BLOCK.to_be_bytes());
    whole.extend(STRONG.to_be_bytes());
    whole.extend(bytes);
    Signature::deserialize(whole).map_err(|_| invalid("a signature that cannot be read"))
}

/// The runs of the new buffer. `delta` is a buffer to work in.
pub fn find(signature: &[u8], new: &[u8], delta: &mut Vec<u8>) -> io::Result<Vec<Run>> {
    let signature = parse_signature(signature)?;
    delta.clear();
    diff(&signature.index(), new, &mut *delta).map_err(|_| invalid("no delta can be made"))?;
    let mut from = Reader(&**delta);
    from.slice(4)?;
    let (mut runs, mut literals) = (Vec::new(), 0);
    loop {
        // The commands of librsync's deltas.
        let [command] = from.raw()?;
        let count = match command {
            0 => return Ok(drop_stray(&runs)),
            1..=0x40 => command.into(),
            0x41..=0x44 => big_endian(&mut from, command - 0x41)?,
            0x45..=0x54 => {
                let start = big_endian(&mut from, (command - 0x45) / 4)?;
                let length = big_endian(&mut from, (command - 0x45) % 4)?;
                runs.push(Run { literals, old: start..start + length });
                literals = 0;
                continue;
            }
            _ => return Err(invalid("a delta with an unknown command")),
        };
        from.slice(count)?;
        literals += count;
    }
}

/// Makes literals of each block that stands alone: neither run beside it has moved as far.
fn drop_stray(runs: &[Run]) -> Vec<Run> {
    let mut start = 0;
    // How far the blocks of each run lie from where they were in the old buffer.
    let moved: Vec<isize> = runs
        .iter()
        .map(|run| {
            let place = start + run.literals;
            start = place + run.old.len();
            place.wrapping_sub(run.old.start).cast_signed()
        })
        .collect();
    let (mut kept, mut literals) = (Vec::with_capacity(runs.len()), 0);
    for (at, run) in runs.iter().enumerate() {
        let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        let goes_on = beside.filter_map(|beside| moved.get(beside)).any(|other| *other == moved[at]);
        if run.old.len() > BLOCK || goes_on {
            kept.push(Run { literals: literals + run.literals, old: run.old.clone() });
            literals = 0;
        } else {
            literals += run.literals + run.old.len();
        }
    }
    kept
}

/// A number of 2^`class` bytes.
fn big_endian(from: &mut Reader<&[u8]>, class: u8) -> io::Result<usize> {
    let bytes = from.slice(1 << class)?;
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Writes the runs.
pub fn write(runs: &[Run]) -> Vec<u8> {
    let mut to = Writer::default();
    to.number(runs.len() as u64);
    for run in runs {
        to.number(run.literals as u64);
    }
    let mut end = 0u64;
    for Run { old, .. } in runs {
        let start = (old.start / BLOCK) as u64;
        to.signed(start.wrapping_sub(end).cast_signed());
        end = (old.end / BLOCK) as u64;
    }
    for Run { old, .. } in runs {
        to.number((old.len() / BLOCK) as u64);
    }
    to.0
}

/// Most bytes of what is written of the runs of a buffer of `size` bytes.
pub fn most_written(size: usize) -> usize {
    16 + size / BLOCK * 16
}

/// Reads runs of a new buffer of `size` bytes, which are not trusted, and of an old one of `old` bytes.
pub fn read(written: &[u8], old: usize, size: usize) -> io::Result<Vec<Run>> {
    let mut from = Reader(written);
    let count = from.count(size / BLOCK)?;
    let [mut literals, mut starts, mut lengths] = [from.numbers(count)?, from.numbers(count)?, from];
    let (mut end, mut left) = (0u64, size);
    let mut runs = Vec::new();
    for _ in 0..count {
        let literals = literals.count(left)?;
        let start = end.wrapping_add_signed(starts.signed()?);
        let length = lengths.count((left - literals) / BLOCK)?;
        end = start.wrapping_add(length as u64);
        let ends = [start, end].map(|block| usize::try_from(block).ok()?.checked_mul(BLOCK));
        let [Some(start), Some(end)] = ends else { return Err(outside()) };
        if length == 0 || start > end || end > old {
            return Err(outside());
        }
        left -= literals + (end - start);
        runs.push(Run { literals, old: start..end });
    }
    if lengths.0.is_empty() { Ok(runs) } else { Err(invalid("more runs than announced")) }
}

fn outside() -> io::Error {
    invalid("a run of blocks that are not there")
}

/// Cuts the new buffer into its literals and the blocks that the old buffer has.
pub fn split(runs: &[Run], new: &[u8], literals: &mut Vec<u8>, known: &mut Vec<u8>) {
    literals.clear();
    known.clear();
    let mut rest = new;
    for run in runs {
        let Some((own, after)) = rest.split_at_checked(run.literals) else { break };
        let Some((blocks, after)) = after.split_at_checked(run.old.len()) else { break };
        literals.extend_from_slice(own);
        known.extend_from_slice(blocks);
        rest = after;
    }
    literals.extend_from_slice(rest);
}

/// Takes the blocks out of the old buffer.
pub fn known(runs: &[Run], old: &[u8], known: &mut Vec<u8>) {
    known.clear();
    for run in runs {
        known.extend_from_slice(old.get(run.old.clone()).unwrap_or_default());
    }
}

/// Puts the new buffer together from its literals and the blocks.
pub fn join(runs: &[Run], literals: &[u8], known: &[u8], new: &mut Vec<u8>) {
    let (mut literals, mut known) = (literals, known);
    let mut take = |from: &mut &[u8], count: usize| {
        let (taken, rest) = from.split_at(count.min(from.len()));
        *from = rest;
        new.extend_from_slice(taken);
    };
    for run in runs {
        take(&mut literals, run.literals);
        take(&mut known, run.old.len());
    }
    take(&mut literals, usize::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern.
    fn noise(length: usize) -> Vec<u8> {
        let next = |state: &mut u32| {
            *state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            Some(state.to_le_bytes()[3])
        };
        std::iter::repeat(()).scan(1, |state, ()| next(state)).take(length).collect()
    }

    #[test]
    fn moved_blocks_are_runs_that_come_back() {
        let old = noise(40 * BLOCK);
        let new = [b"first", &old[20 * BLOCK..30 * BLOCK], b"second", &old[..7 * BLOCK], b"end"].concat();
        let runs = find(&signature(&old).unwrap(), &new, &mut Vec::new()).unwrap();
        let expected =
            [Run { literals: 5, old: 20 * BLOCK..30 * BLOCK }, Run { literals: 6, old: 0..7 * BLOCK }];
        assert_eq!(runs, expected);
        let again = read(&write(&runs), old.len(), new.len()).unwrap();
        assert_eq!(again, runs);
        let (mut literals, mut blocks, mut back) = (Vec::new(), Vec::new(), Vec::new());
        split(&runs, &new, &mut literals, &mut blocks);
        assert_eq!(literals, b"firstsecondend");
        let own = blocks.clone();
        known(&runs, &old, &mut blocks);
        assert_eq!(blocks, own);
        join(&runs, &literals, &blocks, &mut back);
        assert_eq!(back, new);
    }

    #[test]
    fn a_block_that_stands_alone_is_no_run() {
        let old = noise(40 * BLOCK);
        let new = [
            &old[4 * BLOCK..5 * BLOCK],
            b"x",
            &old[20 * BLOCK..22 * BLOCK],
            &old[9 * BLOCK..10 * BLOCK],
            b"end",
        ];
        let runs = find(&signature(&old).unwrap(), &new.concat(), &mut Vec::new()).unwrap();
        assert_eq!(runs, [Run { literals: BLOCK + 1, old: 20 * BLOCK..22 * BLOCK }]);
        // One that goes on where another was left, after a change in between.
        let mut changed = old[..3 * BLOCK].to_vec();
        changed[BLOCK + 7] ^= 1;
        let runs = find(&signature(&old).unwrap(), &changed, &mut Vec::new()).unwrap();
        assert_eq!(
            runs,
            [Run { literals: 0, old: 0..BLOCK }, Run { literals: BLOCK, old: 2 * BLOCK..3 * BLOCK }]
        );
    }

    #[test]
    fn claims_are_bounded() {
        let (old, size) = (4 * BLOCK, 3 * BLOCK);
        read(&[1, 0, 2, 3], old, size).unwrap();
        for (wrong, bytes) in [
            ("more runs than blocks", &[4, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1][..]),
            ("a run without blocks", &[1, 0, 0, 0]),
            ("before the beginning", &[1, 0, 1, 1]),
            ("after the end", &[1, 0, 6, 2]),
            ("longer than the new bytes", &[1, 0, 0, 4]),
            ("more literals than new bytes", &[1, 0x80, 7, 0, 1]),
            ("cut off", &[1, 0, 0]),
            ("left over", &[1, 0, 0, 1, 1]),
        ] {
            assert!(read(bytes, old, size).is_err(), "{wrong}");
        }
    }
}
