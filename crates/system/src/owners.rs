//! Users and groups that have other numbers on the machine than in a tree as built.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Maps numbers in a tree as built to numbers on the machine. Numbers that stay the same are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMoves {
    /// Users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<u32, u32>,
    /// Groups.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<u32, u32>,
}

/// Tags of ACL entries that name a user and a group (`linux/posix_acl.h`).
const ACL_USER: u16 = 0x02;
const ACL_GROUP: u16 = 0x08;

impl IdMoves {
    /// Whether every number stays the same.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// The machine's number of a user.
    pub fn user(&self, uid: u32) -> u32 {
        self.users.get(&uid).copied().unwrap_or(uid)
    }

    /// The machine's number of a group.
    pub fn group(&self, gid: u32) -> u32 {
        self.groups.get(&gid).copied().unwrap_or(gid)
    }

    /// The ACL with the machine's numbers; `None` if it stays the same.
    ///
    /// An ACL has the kernel's form (`linux/posix_acl_xattr.h`): a version of four bytes, then entries of tag, permissions and number.
    pub fn acl(&self, acl: &[u8]) -> Option<Vec<u8>> {
        let mut moved = acl.to_vec();
        for entry in moved.get_mut(4..)?.chunks_exact_mut(8) {
            let (tag, id) = entry.split_at_mut(4);
            let number = u32::from_le_bytes(<[u8; 4]>::try_from(&*id).ok()?);
            let number = match u16::from_le_bytes([tag[0], tag[1]]) {
                ACL_USER => self.user(number),
                ACL_GROUP => self.group(number),
                _ => number,
            };
            id.copy_from_slice(&number.to_le_bytes());
        }
        (moved != acl).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_acls_move_too() {
        let moves = IdMoves { users: [(106, 107)].into(), groups: [(106, 110)].into() };
        let acl = |user: u32, group: u32| {
            let mut bytes = 2u32.to_le_bytes().to_vec();
            for (tag, id) in [(0x01u16, u32::MAX), (ACL_USER, user), (ACL_GROUP, group), (0x10, u32::MAX)] {
                bytes.extend(tag.to_le_bytes());
                bytes.extend(7u16.to_le_bytes());
                bytes.extend(id.to_le_bytes());
            }
            bytes
        };
        assert_eq!(moves.acl(&acl(106, 106)), Some(acl(107, 110)));
        assert_eq!(moves.acl(&acl(1, 2)), None);
        assert_eq!(moves.acl(b""), None);
    }
}
