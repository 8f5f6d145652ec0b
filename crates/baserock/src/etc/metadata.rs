//! Merges mode, owner, extended attributes and flags three-way, like content. On a clash the new version's value is taken.

use system::metadata::{Attributes, Metadata};

/// The merged metadata, and the clashes in words.
pub fn merge(v1: Option<&Metadata>, user: &Metadata, v2: &Metadata) -> (Metadata, Vec<String>) {
    let mut clashes = Vec::new();
    let mode = pick(v1.map(|v| v.mode), user.mode, v2.mode, || {
        clashes.push(format!("mode {:04o} here, {:04o} in the new version", user.mode, v2.mode));
    });
    let uid = pick(v1.map(|v| v.uid), user.uid, v2.uid, || {
        clashes.push(format!("owner {} here, {} in the new version", user.uid, v2.uid));
    });
    let gid = pick(v1.map(|v| v.gid), user.gid, v2.gid, || {
        clashes.push(format!("group {} here, {} in the new version", user.gid, v2.gid));
    });
    let attributes = merge_xattrs(v1.map(|v| &v.attributes), &user.attributes, &v2.attributes, &mut clashes);
    let flags = pick(v1.map(|v| v.flags), user.flags, v2.flags, || {
        clashes.push("flags (chattr) differ".to_owned());
    });
    let mut merged = Metadata { mode, uid, gid, attributes, flags };
    // One side may have changed the mode and the other the ACL, which has the mode in it.
    merged.set_mode(mode);
    (merged, clashes)
}

fn pick<T: PartialEq + Copy>(v1: Option<T>, user: T, v2: T, clash: impl FnOnce()) -> T {
    if user == v2 || v1 == Some(user) {
        return v2;
    }
    if v1 == Some(v2) {
        return user;
    }
    clash();
    v2
}

fn merge_xattrs(
    v1: Option<&Attributes>,
    user: &Attributes,
    v2: &Attributes,
    clashes: &mut Vec<String>,
) -> Attributes {
    let names = user.keys().chain(v2.keys().filter(|name| !user.contains_key(*name)));
    let merged = names.filter_map(|name| {
        let base = v1.map(|v1| v1.get(name));
        let value = pick(base, user.get(name), v2.get(name), || {
            clashes.push(format!("attribute {} differs", String::from_utf8_lossy(name)));
        });
        Some((name.clone(), value?.clone()))
    });
    merged.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(mode: u32, uid: u32, attributes: &[(&str, &str)]) -> Metadata {
        let attributes =
            attributes.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        Metadata { mode, uid, attributes, ..Metadata::default() }
    }

    #[test]
    fn each_part_follows_the_side_that_changed_it() {
        let v1 = meta(0o644, 0, &[("user.a", "1"), ("user.b", "1")]);
        let user = meta(0o600, 0, &[("user.a", "1"), ("user.c", "u")]);
        let v2 = meta(0o644, 5, &[("user.a", "2"), ("user.b", "1")]);
        let (merged, clashes) = merge(Some(&v1), &user, &v2);
        assert_eq!(merged, meta(0o600, 5, &[("user.a", "2"), ("user.c", "u")]));
        assert!(clashes.is_empty());
    }

    #[test]
    fn a_clash_is_the_new_versions_and_said() {
        let (merged, clashes) = merge(Some(&meta(0o644, 0, &[])), &meta(0o600, 0, &[]), &meta(0o640, 0, &[]));
        assert_eq!(merged.mode, 0o640);
        assert_eq!(clashes, ["mode 0600 here, 0640 in the new version"]);
        let (merged, clashes) = merge(None, &meta(0o600, 0, &[]), &meta(0o644, 0, &[]));
        assert_eq!((merged.mode, clashes.len()), (0o644, 1));
    }
}
