//! A manifest as bytes, checked and compressed.
//!
//! ```text
//! 8 bytes    "BRMANIF", and the version: 1
//! number     how many entries
//! zstd       the entries (see `record`), one frame
//! 32 bytes   SHA-256 of the entries before compression
//! ```
//!
//! Numbers are LEB128, byte strings have their length in front (see `codec`).
//!
//! A *difference* is the same behind `BRMANID` and the version 1, but zstd has the entries of another manifest as prefix. Whoever has that one
//! reads it.

use std::cell::Cell;
use std::io::{self, BufReader, Read, Write};

use crate::codec::{Reader, Writer, invalid};
use crate::difference::{WINDOW_MAX, window_log};
use crate::entry::{Entry, Kind};
use crate::hash::{Hash, Hasher};
use crate::manifest::Manifest;
use crate::record;

const MAGIC: [u8; 8] = *b"BRMANIF\x01";
const MAGIC_OF_DIFFERENCE: [u8; 8] = *b"BRMANID\x01";
/// Most entries of one tree. A tree with more, which would take 4 GiB of memory, is no operating system.
const MAX_ENTRIES: usize = 1 << 24;
/// A manifest that takes less memory than this may grow without limit, bytes.
const SMALL: u64 = 32 << 20;
/// A larger manifest may take this many times its compressed size in memory. A tree of only symbolic links takes 40 times as much.
const GROWTH: u64 = 200;
/// zstd's level. A higher one gains nothing: hashes do not compress, and paths compress at any level.
const LEVEL: i32 = 3;
/// zstd's level for differences, which are made once and read often.
const LEVEL_OF_DIFFERENCE: i32 = 19;

/// Writes the manifest.
pub fn write(manifest: &Manifest, to: &mut impl Write) -> io::Result<()> {
    write_head(MAGIC, manifest, to)?;
    let compressor = zstd::Encoder::new(&mut *to, LEVEL)?;
    write_entries(manifest, compressor)
}

/// The manifest as its difference to a basis.
pub fn difference(manifest: &Manifest, basis: &Manifest) -> io::Result<Vec<u8>> {
    let mut to = Vec::new();
    write_head(MAGIC_OF_DIFFERENCE, manifest, &mut to)?;
    let known = records(basis)?;
    let mut compressor = zstd::Encoder::with_ref_prefix(&mut to, LEVEL_OF_DIFFERENCE, &known)?;
    compressor.long_distance_matching(true)?;
    // Two manifests of one system are about as long.
    compressor.window_log(window_log(2 * known.len()))?;
    write_entries(manifest, compressor)?;
    Ok(to)
}

fn write_head(magic: [u8; 8], manifest: &Manifest, to: &mut impl Write) -> io::Result<()> {
    let mut head = Writer(magic.to_vec());
    head.number(manifest.entries().len() as u64);
    to.write_all(&head.0)
}

fn write_entries<W: Write>(manifest: &Manifest, mut compressor: zstd::Encoder<'_, W>) -> io::Result<()> {
    let mut hasher = Hasher::default();
    record::each(manifest.entries(), |bytes| {
        hasher.add(bytes);
        compressor.write_all(bytes)
    })?;
    compressor.finish()?.write_all(&hasher.finish().0)
}

/// The entries as bytes.
fn records(manifest: &Manifest) -> io::Result<Vec<u8>> {
    let mut records = Vec::new();
    record::each(manifest.entries(), |bytes| records.write_all(bytes))?;
    Ok(records)
}

/// The manifest as bytes.
pub fn to_bytes(manifest: &Manifest) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(manifest, &mut bytes)?;
    Ok(bytes)
}

/// Reads a manifest that is not trusted.
pub fn read(from: impl Read) -> io::Result<Manifest> {
    read_behind(MAGIC, from, &[], SMALL)
}

/// Reads the difference of a manifest to this basis. It is not trusted. With another basis it is damaged.
pub fn read_difference(from: impl Read, basis: &Manifest) -> io::Result<Manifest> {
    let small = basis.entries().iter().map(size).fold(SMALL, u64::saturating_add);
    read_behind(MAGIC_OF_DIFFERENCE, from, &records(basis)?, small)
}

fn read_behind(known: [u8; 8], from: impl Read, prefix: &[u8], small: u64) -> io::Result<Manifest> {
    let taken = Cell::new(0);
    let mut from = Reader(BufReader::new(Counted { from, taken: &taken }));
    let magic: [u8; 8] = from.raw()?;
    if magic[..7] != known[..7] {
        return Err(invalid("this is not a manifest"));
    }
    if magic[7] != known[7] {
        return Err(invalid(&format!(
            "a manifest of version {}, where this program knows {}",
            magic[7], known[7]
        )));
    }
    let count = from.count(MAX_ENTRIES)?;
    let mut decompressor = zstd::Decoder::with_ref_prefix(&mut from.0, prefix)?.single_frame();
    decompressor.window_log_max(WINDOW_MAX)?;
    let (entries, found) = read_entries(decompressor, count, (&taken, small))?;
    if from.raw()? != found.0 {
        return Err(invalid("a manifest that is damaged"));
    }
    Manifest::new(entries).map_err(|fault| invalid(&fault))
}

/// Reads so many entries. They take at most `small` bytes of memory, or [`GROWTH`] times the bytes that were taken.
fn read_entries(
    from: impl Read,
    count: usize,
    (taken, small): (&Cell<u64>, u64),
) -> io::Result<(Vec<Entry>, Hash)> {
    let mut from = Reader(Hashing { from: BufReader::new(from), hasher: Hasher::default() });
    let mut entries: Vec<Entry> = Vec::new();
    let mut held = 0;
    for _ in 0..count {
        let previous = entries.last().map_or(&[][..], |entry| &entry.path);
        let entry = record::read(&mut from, previous)?;
        held += size(&entry);
        if held > small && held / GROWTH > taken.get() {
            return Err(invalid("a manifest that takes too much memory"));
        }
        entries.push(entry);
    }
    let mut from = from.0;
    // This also makes the decoder read the end of its frame.
    if from.from.read(&mut [0])? != 0 {
        return Err(invalid("more entries than were announced"));
    }
    Ok((entries, from.hasher.finish()))
}

/// The bytes that the entry takes in memory.
fn size(entry: &Entry) -> u64 {
    let target =
        if let Kind::Symlink(target) | Kind::HardLink(target) = &entry.kind { target.len() } else { 0 };
    let attributes = &entry.metadata.attributes;
    let attribute = |(name, value): (&Vec<u8>, &Vec<u8>)| 2 * size_of::<Vec<u8>>() + name.len() + value.len();
    let attributes: usize = attributes.iter().map(attribute).sum();
    (size_of::<Entry>() + entry.path.len() + target + attributes) as u64
}

/// A reader that counts its bytes.
struct Counted<'a, R> {
    from: R,
    taken: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.taken.set(self.taken.get() + count as u64);
        Ok(count)
    }
}

/// A reader that hashes its bytes.
struct Hashing<R> {
    from: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.add(&buffer[..count]);
        Ok(count)
    }
}
