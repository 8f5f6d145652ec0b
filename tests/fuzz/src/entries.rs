//! Entries of manifests as a fuzzer writes them, in a valid frame: a checksum is no hurdle for somebody who means harm.

use delta::codec::{Reader, Writer};
use delta::entry::{Entry, Kind};
use delta::hash::Hash;
use delta::manifest::Manifest;
use delta::{format, record};
use system::metadata::Flags;

/// The entries at the beginning of the bytes, at most so many, and what comes after them.
pub fn entries(bytes: &[u8], most: usize) -> (Vec<Entry>, &[u8]) {
    let mut from = Reader(bytes);
    let mut entries: Vec<Entry> = Vec::new();
    let mut rest = bytes;
    while entries.len() < most {
        let previous = entries.last().map_or(&[][..], |entry| &entry.path);
        let Ok(entry) = record::read(&mut from, previous) else { break };
        entries.push(entry);
        rest = from.0;
    }
    (entries, rest)
}

/// The entries as a file of the format, whatever they say.
pub fn sealed(count: usize, records: &[u8]) -> Vec<u8> {
    let mut file = Writer(b"BRMANIF\x01".to_vec());
    file.number(count as u64);
    file.raw(&zstd::encode_all(records, 1).expect("memory can be written to"));
    file.raw(&Hash::of(records).0);
    file.0
}

/// A manifest of the entries, if they make one, with contents that can be made: see [`content`].
pub fn with_contents(mut entries: Vec<Entry>) -> Option<Manifest> {
    for entry in &mut entries {
        if let Kind::File { size, hash } = &mut entry.kind {
            *size %= 5000;
            *hash = Hash::of(&content(*size, hash.0[0]));
        }
        // What every filesystem can keep.
        entry.modified.seconds %= 1 << 31;
        entry.metadata.flags = Flags::default();
    }
    let mut records = Writer::default();
    let mut previous: &[u8] = &[];
    for entry in &entries {
        record::write(&mut records, previous, entry);
        previous = &entry.path;
    }
    format::read(&*sealed(entries.len(), &records.0)).ok()
}

/// The content that is meant by a size and a byte.
pub fn content(size: u64, byte: u8) -> Vec<u8> {
    (0..size).map(|at| byte.wrapping_add(at.to_le_bytes()[1])).collect()
}
