//! One entry as bytes.
//!
//! ```text
//! number     how many bytes the path shares with the one before it
//! bytes      the rest of the path
//! number     type: 0 directory, 1 file, 2 symbolic link, 3 hard link, 4 character device, 5 block device, 6 FIFO, 7 socket
//! number     mode, and file flags from bit 12 on;  number owner;  number group;  signed seconds;  number nanoseconds
//! number     how many attributes, sorted by name; for each: bytes name, bytes value
//!            file: number size, 32 bytes SHA-256;  links: bytes target;  devices: number
//! ```

use std::io::{self, Read};

use system::metadata::{Attributes, Flags, Metadata, Time};

use crate::codec::{Reader, Writer, invalid};
use crate::entry::{Entry, Kind, MAX_PATH};
use crate::hash::Hash;

/// The bits of a mode; the flags follow.
const MODE_BITS: u32 = 12;
const MODE: u64 = (1 << MODE_BITS) - 1;
/// The longest value of an attribute, bytes: the kernel's limit.
const MAX_ATTRIBUTE: usize = 1 << 16;
/// Most attributes of one file. Filesystems have no room for more.
const MAX_ATTRIBUTES: usize = 1 << 10;

/// Hands over the bytes of each entry of a tree, in order.
pub fn each<E>(entries: &[Entry], mut hand_over: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut previous: &[u8] = &[];
    for entry in entries {
        let mut writer = Writer::default();
        write(&mut writer, previous, entry);
        hand_over(&writer.0)?;
        previous = &entry.path;
    }
    Ok(())
}

/// Appends the entry; `previous` is the path of the one before it.
pub fn write(to: &mut Writer, previous: &[u8], entry: &Entry) {
    let shared = previous.iter().zip(&entry.path).take_while(|(a, b)| a == b).count();
    to.number(shared as u64);
    to.bytes(&entry.path[shared..]);
    to.number(number_of(&entry.kind));
    write_metadata(to, entry);
    match &entry.kind {
        Kind::File { size, hash } => {
            to.number(*size);
            to.raw(&hash.0);
        }
        Kind::Symlink(target) | Kind::HardLink(target) => to.bytes(target),
        Kind::CharacterDevice(number) | Kind::BlockDevice(number) => to.number(*number),
        Kind::Directory | Kind::Fifo | Kind::Socket => {}
    }
}

fn number_of(kind: &Kind) -> u64 {
    match kind {
        Kind::Directory => 0,
        Kind::File { .. } => 1,
        Kind::Symlink(_) => 2,
        Kind::HardLink(_) => 3,
        Kind::CharacterDevice(_) => 4,
        Kind::BlockDevice(_) => 5,
        Kind::Fifo => 6,
        Kind::Socket => 7,
    }
}

fn write_metadata(to: &mut Writer, Entry { metadata, modified, .. }: &Entry) {
    to.number(u64::from(metadata.mode) | u64::from(metadata.flags.bits()) << MODE_BITS);
    to.number(u64::from(metadata.uid));
    to.number(u64::from(metadata.gid));
    to.signed(modified.seconds);
    to.number(u64::from(modified.nanoseconds));
    to.number(metadata.attributes.len() as u64);
    for (name, value) in &metadata.attributes {
        to.bytes(name);
        to.bytes(value);
    }
}

/// Reads the next entry.
pub fn read<R: Read>(from: &mut Reader<R>, previous: &[u8]) -> io::Result<Entry> {
    let shared = from.count(previous.len().min(MAX_PATH))?;
    let mut path = previous[..shared].to_vec();
    path.extend(from.bytes(MAX_PATH - shared)?);
    let kind = from.number()?;
    let (metadata, modified) = read_metadata(from)?;
    let kind = match kind {
        0 => Kind::Directory,
        1 => Kind::File { size: from.number()?, hash: Hash(from.raw()?) },
        2 => Kind::Symlink(from.bytes(MAX_PATH)?.into()),
        3 => Kind::HardLink(from.bytes(MAX_PATH)?.into()),
        4 => Kind::CharacterDevice(from.number()?),
        5 => Kind::BlockDevice(from.number()?),
        6 => Kind::Fifo,
        7 => Kind::Socket,
        _ => return Err(invalid(&format!("an entry of the unknown type {kind}"))),
    };
    if matches!(kind, Kind::File { size, .. } if i64::try_from(size).is_err()) {
        return Err(invalid("a file larger than any filesystem allows"));
    }
    Ok(Entry { path: path.into(), kind, metadata, modified })
}

fn read_metadata<R: Read>(from: &mut Reader<R>) -> io::Result<(Metadata, Time)> {
    let bits = from.number()?;
    let mode = u32::try_from(bits & MODE).map_err(|_| invalid("a mode that no file can have"))?;
    let known = u32::try_from(bits >> MODE_BITS).ok().filter(|&bits| Flags::new(bits).bits() == bits);
    let flags = known.map(Flags::new).ok_or_else(|| invalid("a mode or flags that no file can have"))?;
    let (uid, gid) = (from.small()?, from.small()?);
    let mut metadata = Metadata { mode, uid, gid, flags, attributes: Attributes::new() };
    let modified = Time { seconds: from.signed()?, nanoseconds: from.small()? };
    if modified.nanoseconds >= 1_000_000_000 {
        return Err(invalid("a time that no file can have"));
    }
    // For the kernel this number means "do not change the owner".
    if metadata.uid == u32::MAX || metadata.gid == u32::MAX {
        return Err(invalid("an owner that no file can have"));
    }
    for _ in 0..from.count(MAX_ATTRIBUTES)? {
        let (name, value) = (from.bytes(255)?, from.bytes(MAX_ATTRIBUTE)?);
        if name.contains(&0) || name.is_empty() {
            return Err(invalid("an attribute with an invalid name"));
        }
        if metadata.attributes.last_key_value().is_some_and(|(previous, _)| *previous >= name) {
            return Err(invalid("attributes that are not sorted by name"));
        }
        metadata.attributes.insert(name, value);
    }
    Ok((metadata, modified))
}
