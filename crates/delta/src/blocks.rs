//! Writes a new content to the disk. Blocks that the basis has are shared with it, the others are written.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use system::error::{OrCannot, Result};
use system::step::{self, change};
use system::sys::fs::clone_range;

/// The unit of sharing: btrfs's sector, 4 KiB.
pub const BLOCK: usize = 4096;

/// A part of a file of the basis on the disk, and its blocks that a new content has in common with it.
pub struct Base<'a> {
    /// The file.
    pub file: &'a File,
    /// The offset of the part in the file: a multiple of [`BLOCK`].
    pub start: u64,
    /// The blocks that can be shared.
    pub common: Common,
}

/// The ranges of whole blocks that a new content and a part of the basis have in common, at the same place or at others.
pub struct Common(Vec<Run>);

impl Common {
    /// The blocks that `new` has in common with `old`.
    pub fn of(new: &[u8], old: &[u8]) -> Self {
        Common(runs(new, old))
    }

    /// Whether they have no block in common.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The numbers of bytes that were shared and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes that are shared with the basis.
    pub shared: u64,
    /// Bytes written.
    pub written: u64,
}

/// A range of the new content that the basis has, at another place or the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    new: usize,
    base: usize,
    length: usize,
}

/// Writes `new` at `offset` (a multiple of [`BLOCK`]) of the file `target`. Blocks of zeros become holes.
pub fn write(
    target: &File,
    shown: &Path,
    offset: u64,
    new: &[u8],
    base: Option<&Base<'_>>,
) -> Result<Written> {
    let mut runs = Vec::new();
    let mut outcome = Written::default();
    // Sharing comes first: if data were in memory already, the kernel would have to write it out before it can share.
    if let Some(base) = base {
        for &run in &base.common.0 {
            if share(base, target, shown, offset, run)? {
                outcome.shared += run.length as u64;
                runs.push(run);
            }
        }
    }
    let mut position = 0;
    for run in &runs {
        outcome.written += write_data(target, shown, offset, new, position, run.new)?;
        position = run.new + run.length;
    }
    outcome.written += write_data(target, shown, offset, new, position, new.len())?;
    Ok(outcome)
}

/// Shares a range. Returns `false` if the kernel refuses, which it does between files that are stored in different ways.
fn share(base: &Base<'_>, target: &File, shown: &Path, offset: u64, run: Run) -> Result<bool> {
    let (from, to) = (base.start + run.base as u64, offset + run.new as u64);
    step::here("share blocks with", shown).or_cannot("share blocks with", shown)?;
    match clone_range(target.as_fd(), base.file.as_fd(), from, run.length as u64, to) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EOPNOTSUPP | libc::EXDEV | libc::EINVAL | libc::ENOTTY)
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error).or_cannot("share blocks with", shown),
    }
}

fn write_data(
    target: &File,
    shown: &Path,
    offset: u64,
    new: &[u8],
    mut from: usize,
    to: usize,
) -> Result<u64> {
    let mut written = 0;
    while from < to {
        let zeros = leading_zeros(&new[from..to]);
        from += zeros;
        let length = until_zeros(&new[from..to]);
        let data = &new[from..from + length];
        change("write", shown, || target.write_all_at(data, offset + from as u64))?;
        written += length as u64;
        from += length;
    }
    Ok(written)
}

/// Bytes in whole blocks of zeros at the beginning.
fn leading_zeros(bytes: &[u8]) -> usize {
    bytes.chunks_exact(BLOCK).take_while(|block| is_zero(block)).count() * BLOCK
}

/// Bytes before the next whole block of zeros.
fn until_zeros(bytes: &[u8]) -> usize {
    let data = bytes.chunks_exact(BLOCK).take_while(|block| !is_zero(block)).count() * BLOCK;
    if data + BLOCK > bytes.len() { bytes.len() } else { data }
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|&byte| byte == 0)
}

/// The ranges of whole blocks of `new` that `base` has at places where blocks begin.
fn runs(new: &[u8], base: &[u8]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut index: Option<HashMap<u64, usize>> = None;
    for (number, block) in new.chunks_exact(BLOCK).enumerate() {
        if is_zero(block) {
            continue;
        }
        let at = number * BLOCK;
        let next = runs.last().map(|run| run.base + (at - run.new));
        let has = |&place: &usize| base.get(place..place + BLOCK) == Some(block);
        // A block is looked for after the last one found, then at its own place, and only then anywhere.
        let found = next.filter(has).or_else(|| Some(at).filter(has)).or_else(|| {
            let index = index.get_or_insert_with(|| index_of(base));
            index.get(&key(block)).copied().filter(has)
        });
        let Some(place) = found else { continue };
        match runs.last_mut() {
            Some(run) if run.new + run.length == at && run.base + run.length == place => run.length += BLOCK,
            _ => runs.push(Run { new: at, base: place, length: BLOCK }),
        }
    }
    runs
}

fn index_of(base: &[u8]) -> HashMap<u64, usize> {
    base.chunks_exact(BLOCK).enumerate().map(|(number, block)| (key(block), number * BLOCK)).collect()
}

/// A hash that tells blocks apart; the caller compares the bytes of blocks with equal hashes. It uses four independent chains, because each
/// step of a chain has to wait for the one before.
fn key(block: &[u8]) -> u64 {
    let mix = |key: u64, word: u64| (key.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (groups, _) = block.as_chunks::<32>();
    let mut chains = [0; 4];
    for group in groups {
        let (words, _) = group.as_chunks::<8>();
        for (chain, word) in chains.iter_mut().zip(words) {
            *chain = mix(*chain, u64::from_le_bytes(*word));
        }
    }
    chains.into_iter().fold(0, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fill: u8) -> Vec<u8> {
        vec![fill; BLOCK]
    }

    #[test]
    fn ranges_are_found_where_they_moved() {
        let base = [block(1), block(2), block(3), block(4)].concat();
        let new = [block(3), block(4), block(9), block(2), vec![3; 100]].concat();
        let expected = [
            Run { new: 0, base: 2 * BLOCK, length: 2 * BLOCK },
            Run { new: 3 * BLOCK, base: BLOCK, length: BLOCK },
        ];
        assert_eq!(runs(&new, &base), expected);
    }

    #[test]
    fn zeros_are_left_out() {
        let file = tempfile::tempfile().unwrap();
        let new = [block(0), block(7), block(0), vec![5; 10]].concat();
        file.set_len(new.len() as u64).unwrap();
        let written = write(&file, Path::new("x"), 0, &new, None).unwrap();
        assert_eq!(written.written, BLOCK as u64 + 10);
        let mut back = vec![0; new.len()];
        file.read_exact_at(&mut back, 0).unwrap();
        assert_eq!(back, new);
    }
}
