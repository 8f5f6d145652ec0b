//! Describes an initramfs.

use std::io::{self, Read};

use flate2::bufread::DeflateDecoder;

use super::collect::{Collect, Find};
use super::cpio::{self, archives};
use super::source::{Source, unknown};
use super::{Packing, Recipe};
use crate::form::gzip::{Check, Guess, MOST_HEAD, TRAILER, head_length, likely_level};
use crate::hash::Hash;
use crate::index::NewIndex;

/// Bytes by which [`begins`] tells.
pub const BEGINNING: usize = MOST_HEAD;

/// Whether an initramfs that can be described may begin with these bytes.
pub fn begins(bytes: &[u8]) -> bool {
    let packed = head_length(bytes).and_then(|length| bytes.get(length..));
    let is_packed = packed.is_some_and(|packed| {
        let mut plain = [0; cpio::MAGIC];
        DeflateDecoder::new(packed).read_exact(&mut plain).is_ok() && cpio::begins(&plain)
    });
    is_packed || cpio::begins(bytes)
}

/// How much of each packed section is made again to prove that it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// All of it: what is published has to serve many.
    Whole,
    /// Its first 4 MiB, by which other programs than GNU gzip are known. A mistake shows when the content is made again.
    Beginning,
}

impl Proof {
    fn bytes(self) -> u64 {
        match self {
            Proof::Whole => u64::MAX,
            Proof::Beginning => 4 << 20,
        }
    }
}

/// The recipe of an initramfs. `find` finds the file of its tree with this hash; an error of it ends the description. `None` for other
/// contents, for those that cannot be made again, and for those that pack no file of the tree.
pub fn describe(
    content: &[u8],
    proof: Proof,
    find: &dyn Fn(&Hash) -> io::Result<Option<NewIndex>>,
) -> Option<Recipe> {
    let mut find = |member: &[u8]| find(&Hash::of(member));
    let recipe = collect(content, Some((content, proof)), &mut find).ok()?;
    let names_files = recipe.files().next().is_some();
    names_files.then_some(recipe)
}

/// The literals of an old initramfs, with which those of a new one are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Literals {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// For each member that may be a file of the old tree, in their order, whether it is left out. Who has the old initramfs but not the old
    /// tree has the literals too by this.
    pub left_out: Vec<bool>,
}

impl Literals {
    /// The literals of an old initramfs, without the files of its tree.
    pub fn of(old: impl Read, is_known: &dyn Fn(&Hash) -> bool) -> io::Result<Self> {
        let mut left_out = Vec::new();
        let mut find = |member: &[u8]| {
            let is_known = is_known(&Hash::of(member));
            left_out.push(is_known);
            Ok(is_known.then_some(NewIndex(0)))
        };
        let bytes = collect(old, None, &mut find)?.literals;
        Ok(Literals { bytes, left_out })
    }

    /// The literals of an old initramfs, without the members that were left out elsewhere.
    pub fn without(old: impl Read, left_out: &[bool]) -> io::Result<Vec<u8>> {
        let mut left_out = left_out.iter();
        let mut find = |_: &[u8]| Ok(left_out.next().is_some_and(|out| *out).then_some(NewIndex(0)));
        Ok(collect(old, None, &mut find)?.literals)
    }
}

/// Collects the recipe of a stream. With a proof and the same bytes, each section is proven to come back.
fn collect(from: impl Read, proof: Option<(&[u8], Proof)>, find: Find<'_>) -> io::Result<Recipe> {
    let (mut from, mut to) = (Source::new(from), Collect::new(find));
    loop {
        archives(&mut from, &mut to)?;
        let next = from.peek(MOST_HEAD)?;
        if next.is_empty() {
            break;
        }
        if let Some(length) = head_length(next) {
            let head = next[..length].to_vec();
            to.end(None);
            let packing = packed(&mut from, head, proof, &mut to)?;
            to.end(Some(packing));
        } else {
            to.rest(&mut from)?;
        }
    }
    to.end(None);
    Ok(to.finish())
}

/// Takes a member of gzip.
fn packed<R: Read>(
    from: &mut Source<R>,
    head: Vec<u8>,
    proof: Option<(&[u8], Proof)>,
    to: &mut Collect<'_>,
) -> io::Result<Packing> {
    from.take(head.len(), &mut Vec::new())?;
    let begin = from.taken();
    let guess = proof.and_then(|(content, proof)| {
        let compressed = content.get(usize::try_from(begin).ok()?..)?;
        Some(Guess::new(&head, compressed, proof.bytes()))
    });
    let unpacked = Unpacked { from: DeflateDecoder::new(&mut *from), check: Check::default(), guess };
    let mut plain = Source::new(unpacked);
    archives(&mut plain, to)?;
    to.rest(&mut plain)?;
    let Unpacked { check, guess, .. } = plain.into_inner();
    let length = usize::try_from(from.taken() - begin).unwrap_or(usize::MAX);
    let mut trailer = Vec::new();
    from.take(TRAILER, &mut trailer)?;
    let level = match guess {
        Some(guess) => guess.finish(length).filter(|_| trailer == check.trailer()).ok_or_else(unknown)?,
        None => likely_level(&head),
    };
    Ok(Packing { level, head })
}

/// The plain text of a member. What is read is checked and proven.
struct Unpacked<'a, R> {
    from: R,
    check: Check,
    guess: Option<Guess<'a>>,
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(to)?;
        self.check.add(&to[..count]);
        if let Some(guess) = &mut self.guess {
            guess.push(&to[..count]);
            if guess.has_failed() {
                return Err(unknown());
            }
        }
        Ok(count)
    }
}
