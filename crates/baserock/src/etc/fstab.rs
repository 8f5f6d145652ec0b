//! Merges `fstab` by mount point.

use std::os::unix::ffi::OsStringExt;

use super::path::EtcPath;
use super::tree::{Kind, Node, Tree};
use crate::fstab::Line;

/// Merges the file. If both sides changed a mount point, it cannot be merged, and the error names these mount points.
///
/// The user's lines keep their order and their comments. The changes of the new version are applied to them.
pub fn merge(v1: &[u8], user: &[u8], v2: &[u8]) -> Result<Merged, Vec<String>> {
    let (old, new) = (entries(v1), entries(v2));
    let mut clashes = Vec::new();
    let mut restored = Vec::new();
    let mut merged = Vec::new();
    for line in lines(user) {
        match key(line) {
            None => merged.push(line.to_vec()),
            Some(key) => merged.extend(merge_line(&old, line, &new, &key).unwrap_or_else(|clash| {
                clashes.push(clash);
                None
            })),
        }
    }
    let present: Vec<_> = entries(user).into_iter().map(|(key, _)| key).collect();
    for (key, line) in new.iter().filter(|(key, _)| !present.contains(key)) {
        let before = find(&old, key);
        if !same(before, Some(line)) {
            merged.push(line.to_vec());
            restored.extend(before.map(|_| shown(key)));
        }
    }
    if !clashes.is_empty() {
        return Err(clashes);
    }
    Ok(Merged { text: merged.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect(), restored })
}

/// Gives a tree this text as its `fstab`. Anything that is no regular file stays.
pub fn put(tree: &mut Tree, text: &[u8]) {
    let path = EtcPath::from("fstab");
    let kind = Kind::File(text.into());
    match tree.get(&path).cloned() {
        Some(node) if node.content().is_some() => tree.insert(path, Node { kind, ..node }),
        Some(_) => {}
        None => tree.insert(path, Node::new(kind, 0o644)),
    }
}

/// A merged `fstab`.
#[derive(Debug)]
pub struct Merged {
    /// Its text.
    pub text: Vec<u8>,
    /// Mount points that are back: the user removed them, but the new version changed them.
    pub restored: Vec<String>,
}

/// The key of a line.
#[derive(PartialEq, Eq)]
enum Key {
    /// A mount point.
    Place(Vec<u8>),
    /// The first two fields of a line without a mount point, such as swap.
    Device(Vec<Vec<u8>>),
}

fn merge_line(
    old: &[(Key, &[u8])],
    line: &[u8],
    new: &[(Key, &[u8])],
    key: &Key,
) -> Result<Option<Vec<u8>>, String> {
    let (v1, v2) = (find(old, key), find(new, key));
    if same(v1, v2) || same(Some(line), v2) {
        return Ok(Some(line.to_vec()));
    }
    if same(v1, Some(line)) {
        return Ok(v2.map(<[u8]>::to_vec));
    }
    match v2 {
        None => Ok(Some(line.to_vec())),
        Some(_) => Err(shown(key)),
    }
}

fn shown(key: &Key) -> String {
    let text = match key {
        Key::Place(place) => place.clone(),
        Key::Device(fields) => fields.join(&b' '),
    };
    String::from_utf8_lossy(&text).into_owned()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&b| b == b'\n').filter(move |_| !text.is_empty())
}

fn entries(text: &[u8]) -> Vec<(Key, &[u8])> {
    lines(text).filter_map(|line| Some((key(line)?, line))).collect()
}

fn find<'a>(entries: &[(Key, &'a [u8])], key: &Key) -> Option<&'a [u8]> {
    entries.iter().find(|(other, _)| other == key).map(|&(_, line)| line)
}

fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    let fields = line.split(|b| b" \t\r".contains(b)).filter(|field| !field.is_empty());
    fields.map(<[u8]>::to_vec).collect()
}

/// Whether two lines mean the same. Blanks and the spelling of the mount point do not count.
fn same(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    let meaning = |line: &[u8]| {
        let mut fields = fields(line);
        if let (Some(field), Some(target)) = (fields.get_mut(1), Line::parse(line).target) {
            *field = target.into_os_string().into_vec();
        }
        fields
    };
    a.map(meaning) == b.map(meaning)
}

/// The key of a line; `None` for comments and blank lines.
fn key(line: &[u8]) -> Option<Key> {
    if let Some(target) = Line::parse(line).target {
        return Some(Key::Place(target.into_os_string().into_vec()));
    }
    match &fields(line)[..] {
        [] => None,
        [first, ..] if first.starts_with(b"#") => None,
        fields => Some(Key::Device(fields.iter().take(2).cloned().collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(v1: &str, user: &str, v2: &str) -> Result<String, Vec<String>> {
        merge(v1.as_bytes(), user.as_bytes(), v2.as_bytes())
            .map(|merged| String::from_utf8(merged.text).unwrap())
    }

    #[test]
    fn neighbouring_lines_merge_by_mount_point() {
        let v1 = "UUID=1 / btrfs defaults 0 1\nUUID=1 /var btrfs subvol=/state/var 0 2\n";
        let user = "# mine\nUUID=1 / btrfs defaults 0 1\nUUID=1 /var  btrfs subvol=/state/var 0 2\n/dev/sdb1 /data ext4 defaults 0 2\n";
        let v2 = "UUID=1 / btrfs noatime 0 1\nUUID=1 /var btrfs subvol=/state/var 0 2\ntmpfs /tmp tmpfs nosuid 0 0\n";
        let expected = "# mine\nUUID=1 / btrfs noatime 0 1\nUUID=1 /var  btrfs subvol=/state/var 0 2\n/dev/sdb1 /data ext4 defaults 0 2\ntmpfs /tmp tmpfs nosuid 0 0\n";
        assert_eq!(merged(v1, user, v2).unwrap(), expected);
    }

    #[test]
    fn removed_lines_stay_removed_on_either_side() {
        let v1 = "a /a x\nb /b x\nc /c x\n";
        assert_eq!(merged(v1, "b /b x\nc /c x\n", "a /a x\nb /b x\n").unwrap(), "b /b x\n");
        assert_eq!(merged("a /a x\n", "", "a /a y\n").unwrap(), "a /a y\n");
        assert_eq!(merged("a /a x\n", "a /a u\n", "").unwrap(), "a /a u\n");
    }

    #[test]
    fn a_mount_point_that_both_changed_is_named() {
        assert_eq!(merged("a / x\n", "a / u\n", "a / n\n").unwrap_err(), ["/"]);
    }

    #[test]
    fn a_mount_point_is_the_same_however_it_is_written() {
        assert_eq!(
            merged("a /my\\040disk/ x\n", "a /my\\040disk x\n", "a /my\\040disk//  y\n").unwrap(),
            "a /my\\040disk//  y\n"
        );
    }

    #[test]
    fn a_line_that_is_no_entry_is_no_mount_point() {
        assert_eq!(merged("a / x\n", "a / x\n", "/\na / y\n").unwrap(), "a / y\n/\n");
    }

    #[test]
    fn swaps_are_told_apart_by_device() {
        let result = merged("a none swap sw\n", "a none swap sw\nb none swap sw\n", "a none swap pri=1\n");
        assert_eq!(result.unwrap(), "a none swap pri=1\nb none swap sw\n");
    }
}
