//! Makes an initramfs again.

use std::io::{self, Read, Write};

use super::{Packing, Recipe};
use crate::codec::invalid;
use crate::form::deflate::{Encoder, Program};
use crate::form::gzip::Check;
use crate::index::NewIndex;

/// A content of so many bytes is packed from at most so many times as many, or from the least number. That bounds the work for a recipe that
/// means harm.
const MOST_RATIO: u64 = 64;
const LEAST: u64 = 64 << 20;
/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 16;

/// Writes the content of `size` bytes that a recipe describes, which is not trusted: whether the content is right, its hash tells. `open`
/// opens a file of the tree.
pub fn recreate<R: Read>(
    recipe: &Recipe,
    size: u64,
    open: &mut dyn FnMut(NewIndex) -> io::Result<R>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut literals = recipe.literals.as_slice();
    let mut out = Bounded { out, left: size };
    let mut plain_left = size.saturating_mul(MOST_RATIO).max(LEAST);
    let mut buffer = vec![0; CHUNK];
    for section in &recipe.sections {
        let mut to = Section::begin(section.packing.as_ref(), &mut out)?;
        let mut copy = |from: &mut dyn Read, to: &mut Section| -> io::Result<()> {
            loop {
                let count = from.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                plain_left = plain_left
                    .checked_sub(count as u64)
                    .ok_or_else(|| invalid("a recipe that packs too much"))?;
                to.put(&buffer[..count], &mut out)?;
            }
        };
        for (count, file) in &section.files {
            copy(&mut next(&mut literals, *count)?, &mut to)?;
            copy(&mut open(*file)?, &mut to)?;
        }
        copy(&mut next(&mut literals, section.rest)?, &mut to)?;
        to.end(&mut out)?;
    }
    if out.left == 0 { Ok(()) } else { Err(invalid("a recipe of a smaller content")) }
}

fn next<'a>(literals: &mut &'a [u8], count: u64) -> io::Result<&'a [u8]> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    literals.split_off(..count).ok_or_else(|| invalid("a recipe with too few literals"))
}

/// A section that is being written.
enum Section {
    AsItIs,
    Packed(Box<Encoder>, Check),
}

impl Section {
    fn begin(packing: Option<&Packing>, out: &mut dyn Write) -> io::Result<Self> {
        let Some(packing) = packing else { return Ok(Section::AsItIs) };
        let encoder =
            Encoder::new(Program::Gzip, packing.level).ok_or_else(|| invalid("an unknown level of gzip"))?;
        out.write_all(&packing.head)?;
        Ok(Section::Packed(Box::new(encoder), Check::default()))
    }

    fn put(&mut self, plain: &[u8], out: &mut dyn Write) -> io::Result<()> {
        match self {
            Section::AsItIs => out.write_all(plain),
            Section::Packed(encoder, check) => {
                check.add(plain);
                out.write_all(&encoder.push(plain))
            }
        }
    }

    fn end(self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Section::AsItIs => Ok(()),
            Section::Packed(encoder, check) => {
                out.write_all(&encoder.finish())?;
                out.write_all(&check.trailer())
            }
        }
    }
}

/// Writes so many bytes at most.
struct Bounded<'a> {
    out: &'a mut dyn Write,
    left: u64,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| invalid("a recipe of a larger content"))?;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
