//! Files that are not merged: the machine's own files, generated files, and markers.

use super::path::EtcPath;

/// The class of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Configuration. It is merged.
    Ordinary,
    /// The machine's own file. It is kept whenever it exists.
    Machine,
    /// A file that programs generate from other files of the version. The new version's is taken.
    Generated,
    /// A marker that only concerns the old version. It is dropped.
    Marker,
}

/// The class of a path.
pub fn class(path: &EtcPath) -> Class {
    match path.as_bytes() {
        b"machine-id" | b"hostname" | b"adjtime" | b"localtime" | b"resolv.conf" | b"passwd-" | b"group-"
        | b"shadow-" | b"gshadow-" => Class::Machine,
        b"ld.so.cache" | b"udev/hwdb.bin" | b"mtab" => Class::Generated,
        b".updated" | b".pwd.lock" => Class::Marker,
        other if other.starts_with(b"ssh/ssh_host_") && path.name().len() + 4 == other.len() => {
            Class::Machine
        }
        _ if repository(path).is_some() => Class::Machine,
        _ => Class::Ordinary,
    }
}

/// Folders of version control.
const REPOSITORIES: [&[u8]; 5] = [b".git", b".hg", b".bzr", b".svn", b"_darcs"];

/// The repository (of etckeeper, for example) that the path is or lies in. Its files belong together, so it is never merged file by file.
pub fn repository(path: &EtcPath) -> Option<EtcPath> {
    let mut above = EtcPath::ROOT;
    for name in path.as_bytes().split(|&byte| byte == b'/') {
        above = above.join(name);
        if REPOSITORIES.contains(&name) {
            return Some(above);
        }
    }
    None
}

/// Whether an edit of this path is a person's, who must be told if it is left behind. Programs themselves write generated files, markers and the
/// backups of accounts.
pub fn is_edited_by_people(path: &EtcPath) -> bool {
    let is_backup = matches!(path.as_bytes(), b"passwd-" | b"group-" | b"shadow-" | b"gshadow-");
    !is_backup && matches!(class(path), Class::Ordinary | Class::Machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (path, expected) in [
            ("machine-id", Class::Machine),
            ("ssh/ssh_host_ed25519_key.pub", Class::Machine),
            ("ssh/sshd_config", Class::Ordinary),
            ("ssh/ssh_host_x/y", Class::Ordinary),
            ("udev/hwdb.bin", Class::Generated),
            (".updated", Class::Marker),
            ("passwd", Class::Ordinary),
            (".git/objects/ab", Class::Machine),
            (".gitignore", Class::Ordinary),
        ] {
            assert_eq!(class(&EtcPath::from(path)), expected, "{path}");
        }
        assert_eq!(repository(&EtcPath::from("a/.hg/b")), Some(EtcPath::from("a/.hg")));
    }
}
