//! The folder of installed extensions, as it is laid out from the workspace.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::built;

/// Extensions that are programs: the ending of a program's name becomes that of the extension.
const PROGRAMS: [&str; 18] = [
    "add-config-files-configure",
    "baserock-tools-configure",
    "fstab-configure",
    "install-files-configure",
    "publish-check",
    "publish-write",
    "rawdisk-check",
    "rawdisk-status",
    "rawdisk-write",
    "set-hostname-configure",
    "simple-network-configure",
    "ssh-rsync-check",
    "ssh-rsync-status",
    "ssh-rsync-write",
    "sshkeys-configure",
    "tar-build",
    "tar-check",
    "tar-write",
];

/// Extensions that are scripts, and the help of all, by their folder in `extensions/`.
pub(crate) const FOLDERS: [&str; 6] = ["configure", "mmdebstrap", "publish", "rawdisk", "ssh-rsync", "tar"];

/// Lays out the extensions in this folder, as links.
pub fn install(into: &Path) {
    for program in PROGRAMS {
        let (name, kind) = program.rsplit_once('-').expect("a kind");
        symlink(built::path(program), into.join(format!("{name}.{kind}"))).expect("a link");
    }
    for folder in FOLDERS {
        for entry in fs::read_dir(source(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "help" || ending == "build") {
                symlink(&path, into.join(path.file_name().expect("a name"))).expect("a link");
            }
        }
    }
}

/// A folder of `extensions/`, or a file in one.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../extensions").join(name)
}
