//! Members: the descriptions of files in an archive, completely checked.

use std::collections::BTreeMap;

use system::metadata::{ACLS, Attributes, Time};
use tar_core::parse::ParsedEntry;
use tar_core::{EntryType, SparseEntry};

use crate::name::{Name, shown};
use crate::pax;

/// One file of any kind in an archive.
pub struct Member {
    /// Its path in the tree.
    pub name: Name,
    /// Its kind.
    pub kind: Kind,
    /// Its metadata.
    pub metadata: Metadata,
    /// Bytes that follow in the archive, without padding.
    pub stored: u64,
}

/// The kind of a member.
pub enum Kind {
    /// A regular file. Its content follows: `stored` bytes.
    File,
    /// A regular file with holes. Only these parts follow.
    Sparse {
        /// The places of the parts: in order, not overlapping, inside `size`.
        parts: Vec<Part>,
        /// Size of the file in bytes, holes included.
        size: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// Another name of a member that came before.
    HardLink(Name),
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
    /// A FIFO.
    Fifo,
}

/// The numbers of a device.
#[derive(Clone, Copy)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// A part of a file with holes, in bytes.
#[derive(Clone, Copy)]
pub struct Part {
    /// Its start in the file.
    pub offset: u64,
    /// Its length.
    pub length: u64,
}

/// The metadata of a member.
pub struct Metadata {
    /// Permissions with set-id and sticky bits.
    pub mode: u32,
    /// Owner, as a number. Names in archives belong to another machine.
    pub uid: u32,
    /// Group, as a number.
    pub gid: u32,
    /// Time of the last change.
    pub mtime: Time,
    /// Extended attributes.
    pub attributes: Attributes,
    /// Access control lists, as text, with the name of their attribute.
    pub acls: Vec<(&'static [u8], Vec<u8>)>,
}

impl Metadata {
    /// Memory that it takes, in bytes, roughly.
    pub fn memory(&self) -> usize {
        const EACH: usize = 96;
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + EACH);
        let lists = self.acls.iter().map(|(_, text)| text.len() + EACH);
        size_of::<Self>() + attributes.sum::<usize>() + lists.sum::<usize>()
    }
}

/// Access and default ACLs.
const ACL_ACCESS: &[u8] = ACLS[0];
const ACL_DEFAULT: &[u8] = ACLS[1];

/// Most bytes of the names of a file's attributes: the kernel lists no more.
const MOST_NAMES: usize = 64 << 10;

/// Most access lists of a file, repeated ones included.
const MOST_LISTS: usize = 16;

/// What an entry of the archive is.
pub enum Entry {
    /// A file of any kind.
    Member(Box<Member>),
    /// Something that is no file here. So many bytes of content follow.
    Skipped {
        /// Bytes that follow, without padding.
        stored: u64,
        /// What it is, if that is worth telling.
        what: Option<String>,
    },
}

/// How entries become members.
pub struct Reading<'a> {
    /// First components of names that are left out.
    pub strip: usize,
    /// Records that apply to all members.
    pub global: &'a BTreeMap<String, Vec<u8>>,
}

impl Entry {
    /// Checks an entry of the parser. `sparse` is the map and the real size of a member with holes. `unknown` collects what is not known of
    /// members that are made.
    pub fn of(
        entry: &ParsedEntry<'_>,
        sparse: Option<(Vec<SparseEntry>, u64)>,
        reading: &Reading<'_>,
        unknown: &mut dyn FnMut(String),
    ) -> Result<Self, String> {
        let full = Name::parse(&entry.path)?;
        let kind = match kind_of(entry, sparse, &full, reading)? {
            Ok(kind) => kind,
            Err(what) => return Ok(Entry::Skipped { stored: entry.size, what }),
        };
        let stored = stored(&kind, entry, &full)?;
        let Some(name) = Name::stripped(&entry.path, reading.strip)? else {
            return Ok(Entry::Skipped { stored, what: None });
        };
        let mut device = None;
        let metadata = metadata(entry, reading.global, &mut device, unknown)
            .map_err(|reason| format!("{name}: {reason}"))?;
        let kind = match (kind, device) {
            (Kind::Character(numbers), Some(wide)) => Kind::Character(wide.over(numbers)),
            (Kind::Block(numbers), Some(wide)) => Kind::Block(wide.over(numbers)),
            (kind, _) => kind,
        };
        if let EntryType::Other(byte) = entry.entry_type
            && matches!(kind, Kind::File)
        {
            unknown(format!("the type {:?}, unpacked as a file", char::from(byte)));
        }
        Ok(Entry::Member(Box::new(Member { name, kind, metadata, stored })))
    }
}

/// Bytes of content that follow a member. Only files have content, whatever the size of others says.
fn stored(kind: &Kind, entry: &ParsedEntry<'_>, name: &Name) -> Result<u64, String> {
    Ok(match kind {
        Kind::Sparse { parts, .. } => parts.iter().map(|part| part.length).sum(),
        Kind::File => entry.size,
        // The folder of an incremental archive has a list of names.
        Kind::Directory if entry.entry_type == EntryType::Other(b'D') => entry.size,
        Kind::Directory if entry.entry_type != EntryType::Directory && entry.size > 0 => {
            return Err(format!("{name} is a file of {} bytes with the name of a folder", entry.size));
        }
        _ => 0,
    })
}

/// The kind of a member, or the name of what is skipped.
fn kind_of(
    entry: &ParsedEntry<'_>,
    sparse: Option<(Vec<SparseEntry>, u64)>,
    name: &Name,
    reading: &Reading<'_>,
) -> Result<Result<Kind, Option<String>>, String> {
    if let Some((map, size)) = sparse {
        let is_file =
            matches!(entry.entry_type, EntryType::Regular | EntryType::Continuous | EntryType::GnuSparse);
        if !is_file {
            return Err(format!("{name} has holes, but is no file"));
        }
        return Ok(Ok(Kind::Sparse { parts: parts(&map, size, entry, name)?, size }));
    }
    Ok(Ok(match entry.entry_type {
        // Old archives have no type for directories, but a slash at the end of the name.
        EntryType::Regular | EntryType::Continuous if entry.path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        // D is a directory in an incremental archive of GNU tar.
        EntryType::Directory | EntryType::Other(b'D') => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(target(entry, name)?.to_vec()),
        EntryType::Link => match Name::stripped(target(entry, name)?, reading.strip)? {
            Some(to) => Kind::HardLink(to),
            None => return Err(format!("{name} is a hard link to a name that is left out")),
        },
        EntryType::Char => Kind::Character(device(entry)),
        EntryType::Block => Kind::Block(device(entry)),
        EntryType::Fifo => Kind::Fifo,
        // A label of the archive.
        EntryType::Other(b'V') => return Ok(Err(None)),
        // These say how the next member or a part of it is to be read.
        other if b"gKLMNSxX".contains(&other.to_byte()) => {
            let kind = char::from(other.to_byte());
            return Err(format!("{name} is of a kind that is not supported here ({kind:?})"));
        }
        // Capital letters are the vendors' own, with the meaning that they like.
        EntryType::Other(byte) if byte.is_ascii_uppercase() => {
            return Ok(Err(Some(format!("{name}, of the vendor's type {:?}", char::from(byte)))));
        }
        EntryType::Other(_) => Kind::File,
        other => {
            return Err(format!("{name} is of a kind that is not known ({:?})", char::from(other.to_byte())));
        }
    }))
}

fn target<'a>(entry: &'a ParsedEntry<'_>, name: &Name) -> Result<&'a [u8], String> {
    match entry.link_target.as_deref() {
        Some(target) if target.len() > 4095 => {
            Err(format!("{name} is a link to a name of {} bytes", target.len()))
        }
        Some(target) => Ok(target),
        None => Err(format!("{name} is a link to nothing")),
    }
}

fn device(entry: &ParsedEntry<'_>) -> Device {
    Device { major: entry.dev_major.unwrap_or(0), minor: entry.dev_minor.unwrap_or(0) }
}

fn parts(map: &[SparseEntry], size: u64, entry: &ParsedEntry<'_>, name: &Name) -> Result<Vec<Part>, String> {
    let (stored, pax) = (entry.size, entry.pax.unwrap_or_default());
    let wrong = || {
        format!("{name} has holes that do not fit ({} bytes in {size})", shown(stored.to_string().as_bytes()))
    };
    let mut end = 0;
    let mut sum = 0;
    for part in map {
        let next = part.offset.checked_add(part.length).ok_or_else(wrong)?;
        if part.offset < end || next > size {
            return Err(wrong());
        }
        end = next;
        sum += part.length;
    }
    // If an extended header states the size, the parser includes the map in it, which is whole blocks.
    let with_map = || states_size(pax) && stored.checked_sub(sum).is_some_and(|map| map % 512 == 0);
    if sum != stored && !with_map() {
        return Err(wrong());
    }
    Ok(map.iter().map(|part| Part { offset: part.offset, length: part.length }).collect())
}

fn states_size(pax: &[u8]) -> bool {
    pax::records(pax).is_ok_and(|records| records.iter().any(|(key, _)| *key == "size"))
}

fn metadata(
    entry: &ParsedEntry<'_>,
    global: &BTreeMap<String, Vec<u8>>,
    device: &mut Option<Wide>,
    unknown: &mut dyn FnMut(String),
) -> Result<Metadata, String> {
    let mut metadata = Metadata {
        mode: entry.mode & 0o7777,
        uid: id(entry.uid)?,
        gid: id(entry.gid)?,
        // A negative number in base 256 arrives as its two's complement.
        mtime: Time { seconds: entry.mtime.cast_signed(), nanoseconds: 0 },
        attributes: Attributes::new(),
        acls: Vec::new(),
    };
    for (key, value) in global {
        apply(&mut metadata, key, value, device, unknown)?;
    }
    for (key, value) in pax::records(entry.pax.unwrap_or_default())? {
        apply(&mut metadata, key, value, device, unknown)?;
    }
    let names: usize = metadata.attributes.keys().map(|name| name.len() + 1).sum();
    if names > MOST_NAMES || metadata.acls.len() > MOST_LISTS {
        return Err("it has more attributes than a file can have".into());
    }
    Ok(metadata)
}

fn id(value: u64) -> Result<u32, String> {
    u32::try_from(value).map_err(|_| format!("owner {value} is not a number of a user"))
}

/// Applies one record. The parser has applied names, sizes and owners already, but it ignores invalid numbers.
fn apply(
    metadata: &mut Metadata,
    key: &str,
    value: &[u8],
    device: &mut Option<Wide>,
    unknown: &mut dyn FnMut(String),
) -> Result<(), String> {
    let mut insert = |name: Vec<u8>, value: Vec<u8>| metadata.attributes.insert(name, value);
    match key {
        "mtime" => metadata.mtime = pax::time(key, value)?,
        "uid" => metadata.uid = id(pax::number(key, value)?)?,
        "gid" => metadata.gid = id(pax::number(key, value)?)?,
        "size" => drop(pax::number(key, value)?),
        "SCHILY.devmajor" => device.get_or_insert_default().major = Some(id(pax::number(key, value)?)?),
        "SCHILY.devminor" => device.get_or_insert_default().minor = Some(id(pax::number(key, value)?)?),
        "SCHILY.acl.access" => metadata.acls.push((ACL_ACCESS, value.to_vec())),
        "SCHILY.acl.default" => metadata.acls.push((ACL_DEFAULT, value.to_vec())),
        "RHT.security.selinux" => {
            let label = [value.strip_suffix(b"\0").unwrap_or(value), b"\0"].concat();
            insert(b"security.selinux".to_vec(), label);
        }
        _ => {
            if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                insert(pax::attribute_name(name).into_bytes(), value.to_vec());
            } else if let Some(name) = key.strip_prefix("LIBARCHIVE.xattr.") {
                let value = pax::decoded_value(value).ok_or_else(|| {
                    format!("an extended header has {}, which cannot be read", shown(key.as_bytes()))
                })?;
                insert(pax::decoded_name(name), value);
            } else if !pax::is_known(key) {
                unknown(format!("the record {} of extended headers", shown(key.as_bytes())));
            }
        }
    }
    Ok(())
}

/// Numbers of a device that are too large for a header.
#[derive(Default)]
struct Wide {
    major: Option<u32>,
    minor: Option<u32>,
}

impl Wide {
    fn over(&self, header: Device) -> Device {
        Device { major: self.major.unwrap_or(header.major), minor: self.minor.unwrap_or(header.minor) }
    }
}
