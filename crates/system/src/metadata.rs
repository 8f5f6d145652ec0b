//! The metadata of a file as a value. [`inode`](crate::inode) reads it from a file and sets it on one.

use std::collections::BTreeMap;

use linux_raw_sys::general as raw;

use crate::owners::IdMoves;

/// Extended attributes by name. ACLs and capabilities are attributes.
pub type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// The metadata of a file except its times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Extended attributes.
    pub attributes: Attributes,
    /// The flags of `chattr`.
    pub flags: Flags,
}

impl Metadata {
    /// Replaces the numbers of owner, group and ACL entries by those of the machine.
    pub fn apply_moves(&mut self, moves: &IdMoves) {
        (self.uid, self.gid) = (moves.user(self.uid), moves.group(self.gid));
        for (name, value) in &mut self.attributes {
            if is_acl(name)
                && let Some(moved) = moves.acl(value)
            {
                *value = moved;
            }
        }
    }

    /// Changes the mode as chmod does: the file's ACL grants no more than the mode then.
    pub fn set_mode(&mut self, mode: u32) {
        self.mode = mode;
        if let Some(acl) = self.attributes.get_mut(ACLS[0]) {
            limit_acl(acl, mode);
        }
    }

    /// The attributes that are ACLs.
    pub fn acls(&self) -> impl Iterator<Item = (&Vec<u8>, &Vec<u8>)> {
        self.attributes.iter().filter(|(name, _)| is_acl(name))
    }
}

/// Tags of ACL entries for the owner, the group, the limit of named users and groups, and all others (`linux/posix_acl.h`).
const ACL_OWNER: u16 = 0x01;
const ACL_GROUP: u16 = 0x04;
const ACL_MASK: u16 = 0x10;
const ACL_OTHERS: u16 = 0x20;

/// Writes the mode into an ACL of the kernel's form (see [`IdMoves::acl`]). If the ACL has a mask, the bits of the group are the mask.
fn limit_acl(acl: &mut [u8], mode: u32) {
    let tag = |entry: &[u8]| u16::from_le_bytes([entry[0], entry[1]]);
    let Some(entries) = acl.get_mut(4..) else { return };
    let has_mask = entries.chunks_exact(8).any(|entry| tag(entry) == ACL_MASK);
    for entry in entries.chunks_exact_mut(8) {
        let shift = match tag(entry) {
            ACL_OWNER => 6,
            ACL_MASK => 3,
            ACL_GROUP if !has_mask => 3,
            ACL_OTHERS => 0,
            _ => continue,
        };
        entry[2..4].copy_from_slice(&((mode >> shift & 7) as u16).to_le_bytes());
    }
}

/// The attributes that hold ACLs.
pub const ACLS: [&[u8]; 2] = [b"system.posix_acl_access", b"system.posix_acl_default"];

/// The attribute that holds capabilities. A change of owner clears it.
pub const CAPABILITY: &[u8] = b"security.capability";

/// Whether the attribute holds an ACL.
pub fn is_acl(name: &[u8]) -> bool {
    ACLS.contains(&name)
}

/// A moment: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds; negative before 1970.
    pub seconds: i64,
    /// Nanoseconds, below a billion.
    pub nanoseconds: u32,
}

/// The times of a file that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The time of the last read. `None` leaves it unchanged.
    pub accessed: Option<Time>,
    /// The time of the last change.
    pub modified: Time,
}

impl From<Time> for Times {
    /// The time of the last change also becomes the time of the last read.
    fn from(modified: Time) -> Self {
        Times { accessed: Some(modified), modified }
    }
}

/// The flags of a file or directory that `chattr` sets, in the kernel's bits (`linux/fs.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// The flags that protect a file from change and removal: `chattr +i`, and `+a`, which still allows to append.
    pub(crate) const FIXED: u32 = raw::FS_IMMUTABLE_FL | raw::FS_APPEND_FL;
    /// The flags that belong to the file itself. The others tell how a filesystem stores it.
    const KEPT: u32 =
        Self::FIXED | raw::FS_NODUMP_FL | raw::FS_NOATIME_FL | raw::FS_SYNC_FL | raw::FS_DIRSYNC_FL;

    /// The flags in `bits` that belong to the file itself.
    pub fn new(bits: u32) -> Self {
        Flags(bits & Self::KEPT)
    }

    /// The kernel's bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether a flag forbids to change, rename or link the file.
    pub fn is_fixed(self) -> bool {
        self.0 & Self::FIXED != 0
    }

    /// The flags without those that forbid changes.
    #[must_use]
    pub fn without_fixed(self) -> Self {
        Flags(self.0 & !Self::FIXED)
    }

    /// Whether no flag is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_move_in_owners_and_acls_alone() {
        let acl = |user: u32| {
            let mut bytes = 2u32.to_le_bytes().to_vec();
            bytes.extend([2, 0, 7, 0]);
            bytes.extend(user.to_le_bytes());
            bytes
        };
        let attributes =
            |user| Attributes::from([(ACLS[0].to_vec(), acl(user)), (b"user.a".to_vec(), acl(5))]);
        let mut metadata = Metadata { uid: 5, gid: 5, attributes: attributes(5), ..Metadata::default() };
        metadata.apply_moves(&IdMoves { users: [(5, 6)].into(), groups: [(5, 7)].into() });
        let moved = Metadata { uid: 6, gid: 7, attributes: attributes(6), ..Metadata::default() };
        assert_eq!(metadata, moved);
    }

    #[test]
    fn a_mode_limits_the_acl() {
        let acl = |owner: u16, mask: u16, others: u16| {
            let mut bytes = 2u32.to_le_bytes().to_vec();
            for (tag, may) in [(1u16, owner), (2, 7), (4, 4), (0x10, mask), (0x20, others)] {
                bytes.extend([tag.to_le_bytes(), may.to_le_bytes(), [0; 2], [0; 2]].concat());
            }
            bytes
        };
        let mut metadata = Metadata {
            mode: 0o674,
            attributes: [(ACLS[0].to_vec(), acl(6, 7, 4))].into(),
            ..Metadata::default()
        };
        metadata.set_mode(0o640);
        assert_eq!((metadata.mode, &metadata.attributes[ACLS[0]]), (0o640, &acl(6, 4, 0)));
    }

    #[test]
    fn flags_that_tell_how_a_file_is_stored_are_not_its_own() {
        assert!(Flags::new(raw::FS_COMPR_FL | raw::FS_NOCOW_FL).is_empty());
        assert_eq!(Flags::new(raw::FS_IMMUTABLE_FL | raw::FS_EXTENT_FL).bits(), raw::FS_IMMUTABLE_FL);
    }
}
