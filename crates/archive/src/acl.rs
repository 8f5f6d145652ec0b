//! Access control lists. Archives have them as text; the kernel takes them as the value of an extended attribute.

use std::collections::HashMap;

/// Version of the attribute's format, from `linux/posix_acl_xattr.h`.
const VERSION: u32 = 2;

/// The id of an entry that has none.
const NO_ID: u32 = u32::MAX;

/// Numbers of users and groups by name, from the tree's own `etc/passwd` and `etc/group`.
#[derive(Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

/// An encoded list. Entries with unknown names are left out.
pub struct Encoded {
    /// The attribute's value.
    pub value: Vec<u8>,
    /// The unknown names: users and groups without a number.
    pub unknown: Vec<String>,
}

impl Accounts {
    /// Reads both files. Lines that are not accounts are skipped.
    pub fn read(passwd: &[u8], group: &[u8]) -> Self {
        Accounts { users: ids(passwd), groups: ids(group) }
    }
}

fn ids(file: &[u8]) -> HashMap<String, u32> {
    let text = String::from_utf8_lossy(file);
    let accounts = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    });
    accounts.collect()
}

/// Turns the text of a list into the attribute's value. The text is `user::rwx,user:1000:r--,…`: entries are separated by commas or
/// newlines, and star adds the number as a fourth field.
pub fn encode(text: &[u8], accounts: &Accounts) -> Result<Encoded, String> {
    let text = std::str::from_utf8(text).map_err(|_| "an access control list is not UTF-8")?;
    let mut entries = Vec::new();
    let mut unknown = Vec::new();
    let lines = text.split(['\n', ',']).map(|line| line.split('#').next().unwrap_or("").trim());
    for line in lines.filter(|line| !line.is_empty()) {
        match entry(line, accounts) {
            Some(Entry::Known(entry)) => entries.push(entry),
            Some(Entry::Unknown(name)) => unknown.push(name),
            None => return Err(format!("an access control list has the entry {line:?}")),
        }
    }
    entries.sort_by_key(|&(tag, _, id)| (tag, id));
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Ok(Encoded { value, unknown })
}

/// Whether the list has names of accounts. Only the tree's own files can turn these into numbers.
pub fn names_accounts(text: &[u8]) -> bool {
    encode(text, &Accounts::default()).is_ok_and(|encoded| !encoded.unknown.is_empty())
}

enum Entry {
    Known((u16, u16, u32)),
    Unknown(String),
}

fn entry(line: &str, accounts: &Accounts) -> Option<Entry> {
    let fields: Vec<&str> = line.split(':').map(str::trim).collect();
    let (kind, name) = (*fields.first()?, *fields.get(1)?);
    let permissions = permissions(fields.get(2)?)?;
    let (owner_tag, named_tag, ids) = match kind {
        "user" | "u" => (0x01, 0x02, &accounts.users),
        "group" | "g" => (0x04, 0x08, &accounts.groups),
        "mask" | "m" => return Some(Entry::Known((0x10, permissions, NO_ID))),
        "other" | "o" => return Some(Entry::Known((0x20, permissions, NO_ID))),
        _ => return None,
    };
    if name.is_empty() {
        return Some(Entry::Known((owner_tag, permissions, NO_ID)));
    }
    let stated = fields.get(3).and_then(|id| id.parse().ok());
    let id = stated.or_else(|| name.parse().ok()).or_else(|| ids.get(name).copied());
    Some(match id {
        Some(id) => Entry::Known((named_tag, permissions, id)),
        None => Entry::Unknown(format!("{kind} {name}")),
    })
}

fn permissions(text: &str) -> Option<u16> {
    text.chars().try_fold(0, |bits, c| match c {
        'r' => Some(bits | 4),
        'w' => Some(bits | 2),
        'x' => Some(bits | 1),
        '-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_star_entries_are_encoded_in_the_kernels_order() {
        let accounts = Accounts::read(b"joe:x:1000:1000::/:/bin/sh\n", b"staff:x:50:\n");
        let text = b"other::---\nuser::rwx\nuser:joe:r--\nuser:7:-w-,group::r-x\ngroup:staff:rwx\ngroup:x:--x:9\nmask::rwx\n";
        let encoded = encode(text, &accounts).unwrap();
        let entries: Vec<(u16, u16, u32)> = encoded.value[4..]
            .chunks(8)
            .map(|c| {
                (
                    u16::from_le_bytes([c[0], c[1]]),
                    u16::from_le_bytes([c[2], c[3]]),
                    u32::from_le_bytes([c[4], c[5], c[6], c[7]]),
                )
            })
            .collect();
        let none = NO_ID;
        assert_eq!(
            entries,
            [
                (1, 7, none),
                (2, 2, 7),
                (2, 4, 1000),
                (4, 5, none),
                (8, 1, 9),
                (8, 7, 50),
                (16, 7, none),
                (32, 0, none)
            ]
        );
        assert!(encoded.unknown.is_empty());
    }

    #[test]
    fn unknown_names_are_listed_and_nonsense_is_refused() {
        let encoded = encode(b"user:nobody-here:rwx,other::r--", &Accounts::default()).unwrap();
        assert_eq!(encoded.unknown, ["user nobody-here"]);
        for text in [&b"user::q"[..], b"x::rwx", b"user", b"\xff"] {
            assert!(encode(text, &Accounts::default()).is_err());
        }
    }
}
