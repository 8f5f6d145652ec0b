//! The entry of one name in a manifest.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use system::metadata::{Metadata, Time};

use crate::hash::Hash;

/// Longest path, bytes.
pub const MAX_PATH: usize = 4095;

/// One name in a tree, with all that an upgrade has to keep of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the tree's root. The root itself is the empty path.
    pub path: Box<[u8]>,
    /// Its type, and its content.
    pub kind: Kind,
    /// Owner, mode, attributes, flags. If a file has several names, those of the first name count.
    pub metadata: Metadata,
    /// The time of the last modification.
    pub modified: Time,
}

/// The type of a name, and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// The hash of the content.
        hash: Hash,
    },
    /// A symbolic link to this target.
    Symlink(Box<[u8]>),
    /// One more name of a file; this is its first name.
    HardLink(Box<[u8]>),
    /// A character device of this number.
    CharacterDevice(u64),
    /// A block device of this number.
    BlockDevice(u64),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl Entry {
    /// The path as a path.
    pub fn path(&self) -> &Path {
        as_path(&self.path)
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }
}

/// Bytes as a path.
pub fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The directory that holds the path. The root is the empty path, and holds itself.
pub fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(&[], |slash| &path[..slash])
}

/// The last component of the path.
pub fn file_name(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte == b'/').map_or(path, |slash| &path[slash + 1..])
}
