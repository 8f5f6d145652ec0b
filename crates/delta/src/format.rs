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

use std::io::{self, BufReader, Read, Write};

use crate::codec::{Reader, Writer, invalid};
use crate::entry::Entry;
use crate::hash::{Hash, Hasher};
use crate::manifest::Manifest;
use crate::record;

const MAGIC: [u8; 8] = *b"BRMANIF\x01";
/// Most entries of one tree: what 4 GiB of them would take is no operating system any more.
const MAX_ENTRIES: usize = 1 << 24;
/// Hashes do not compress, paths do at once.
const LEVEL: i32 = 3;

/// Writes the manifest.
pub fn write(manifest: &Manifest, to: &mut impl Write) -> io::Result<()> {
    to.write_all(&MAGIC)?;
    let mut head = Writer::default();
    head.number(manifest.entries().len() as u64);
    to.write_all(&head.0)?;
    let mut compressor = zstd::Encoder::new(&mut *to, LEVEL)?;
    let mut hasher = Hasher::default();
    let mut previous: &[u8] = &[];
    for entry in manifest.entries() {
        let mut writer = Writer::default();
        record::write(&mut writer, previous, entry);
        hasher.add(&writer.0);
        compressor.write_all(&writer.0)?;
        previous = &entry.path;
    }
    compressor.finish()?;
    to.write_all(&hasher.finish().0)
}

/// The manifest as bytes.
pub fn to_bytes(manifest: &Manifest) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(manifest, &mut bytes)?;
    Ok(bytes)
}

/// Reads a manifest that is not trusted.
pub fn read(from: impl Read) -> io::Result<Manifest> {
    let mut from = Reader(BufReader::new(from));
    let magic: [u8; 8] = from.raw()?;
    if magic[..7] != MAGIC[..7] {
        return Err(invalid("this is no manifest"));
    }
    if magic[7] != MAGIC[7] {
        return Err(invalid(&format!(
            "a manifest of version {}, where this program knows {}",
            magic[7], MAGIC[7]
        )));
    }
    let count = from.count(MAX_ENTRIES)?;
    let mut decompressor = zstd::Decoder::with_buffer(&mut from.0)?.single_frame();
    decompressor.window_log_max(27)?;
    let (entries, found) = read_entries(decompressor, count)?;
    if from.raw()? != found.0 {
        return Err(invalid("a manifest that is damaged"));
    }
    Manifest::new(entries).map_err(|fault| invalid(&fault))
}

fn read_entries(from: impl Read, count: usize) -> io::Result<(Vec<Entry>, Hash)> {
    let mut from = Reader(Hashing { from: BufReader::new(from), hasher: Hasher::default() });
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..count {
        let previous = entries.last().map_or(&[][..], |entry| &entry.path);
        let entry = record::read(&mut from, previous)?;
        entries.push(entry);
    }
    let mut from = from.0;
    // Also makes the decoder read the end of its frame.
    if from.from.read(&mut [0])? != 0 {
        return Err(invalid("more entries than were announced"));
    }
    Ok((entries, from.hasher.finish()))
}

/// Hashes what is read through it.
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
