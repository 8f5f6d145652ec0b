//! Members: the descriptions of files in an archive, completely checked.

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

/// Access and default ACLs.
const ACL_ACCESS: &[u8] = ACLS[0];
const ACL_DEFAULT: &[u8] = ACLS[1];

impl Member {
    /// Checks an entry of the parser. `sparse` is the map and the real size of a member with holes. Returns `None` for an entry that is not
    /// a file, but a volume label.
    pub fn from_entry(
        entry: &ParsedEntry<'_>,
        sparse: Option<(Vec<SparseEntry>, u64)>,
        global: &[u8],
    ) -> Result<Option<Self>, String> {
        let name = Name::parse(&entry.path)?;
        let stored = if entry.entry_type == EntryType::Link { 0 } else { entry.size };
        let Some(kind) = kind_of(entry, sparse, &name)? else { return Ok(None) };
        let metadata = metadata(entry, global).map_err(|reason| format!("{name}: {reason}"))?;
        let stored = match &kind {
            Kind::Sparse { parts, .. } => parts.iter().map(|part| part.length).sum(),
            _ => stored,
        };
        Ok(Some(Member { name, kind, metadata, stored }))
    }
}

fn kind_of(
    entry: &ParsedEntry<'_>,
    sparse: Option<(Vec<SparseEntry>, u64)>,
    name: &Name,
) -> Result<Option<Kind>, String> {
    if let Some((map, size)) = sparse {
        return Ok(Some(Kind::Sparse { parts: parts(&map, size, entry, name)?, size }));
    }
    Ok(Some(match entry.entry_type {
        // Old archives have no type for directories, but a slash at the end of the name.
        EntryType::Regular if entry.path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous => Kind::File,
        // D is a directory in an incremental archive of GNU tar.
        EntryType::Directory | EntryType::Other(b'D') => Kind::Directory,
        EntryType::Symlink => Kind::Symlink(target(entry, name)?.to_vec()),
        EntryType::Link => Kind::HardLink(Name::parse(target(entry, name)?)?),
        EntryType::Char => Kind::Character(device(entry)),
        EntryType::Block => Kind::Block(device(entry)),
        EntryType::Fifo => Kind::Fifo,
        // A label of the archive.
        EntryType::Other(b'V') => return Ok(None),
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

fn metadata(entry: &ParsedEntry<'_>, global: &[u8]) -> Result<Metadata, String> {
    let id =
        |value: u64| u32::try_from(value).map_err(|_| format!("owner {value} is not a number of a user"));
    let mut metadata = Metadata {
        mode: entry.mode & 0o7777,
        uid: id(entry.uid)?,
        gid: id(entry.gid)?,
        // A negative number in base 256 arrives as its two's complement.
        mtime: Time { seconds: entry.mtime.cast_signed(), nanoseconds: 0 },
        attributes: Attributes::new(),
        acls: Vec::new(),
    };
    for (key, value) in pax::records(global)?.into_iter().chain(pax::records(entry.pax.unwrap_or_default())?)
    {
        apply(&mut metadata, key, value)?;
    }
    Ok(metadata)
}

/// Applies one record. The parser has applied names, sizes and owners already, but it ignores invalid numbers.
fn apply(metadata: &mut Metadata, key: &str, value: &[u8]) -> Result<(), String> {
    let id =
        |value: u64| u32::try_from(value).map_err(|_| format!("owner {value} is not a number of a user"));
    match key {
        "mtime" => metadata.mtime = pax::time(key, value)?,
        "uid" => metadata.uid = id(pax::number(key, value)?)?,
        "gid" => metadata.gid = id(pax::number(key, value)?)?,
        "size" => drop(pax::number(key, value)?),
        "SCHILY.acl.access" => metadata.acls.push((ACL_ACCESS, value.to_vec())),
        "SCHILY.acl.default" => metadata.acls.push((ACL_DEFAULT, value.to_vec())),
        "RHT.security.selinux" => {
            let label = [value.strip_suffix(b"\0").unwrap_or(value), b"\0"].concat();
            metadata.attributes.insert(b"security.selinux".to_vec(), label);
        }
        _ => {
            if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                metadata.attributes.insert(pax::attribute_name(name).into_bytes(), value.to_vec());
            }
        }
    }
    Ok(())
}
