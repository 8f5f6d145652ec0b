//! An open directory. Paths below it are relative to it and cannot lead outside.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, open, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use crate::error::{OrCannot, Result, if_exists};
use crate::file;
use crate::resolve::{self, Links};
use crate::step::change;

/// The limit for reading a text file, in bytes: a table, a record, a menu.
pub const MOST_TEXT: u64 = 16 << 20;

/// An open directory, with the name under which the user knows it.
///
/// Paths given to its methods are relative and must not pass through symbolic links, unless a method says otherwise.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    shown: PathBuf,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// Whether the name is a directory, as the listing tells; `None` if the filesystem does not tell.
    pub is_dir: Option<bool>,
}

impl Dir {
    /// Opens a directory by its path, following links.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path, flags, Mode::empty()).or_cannot("open", path)?;
        Ok(Dir { fd, shown: path.to_owned() })
    }

    /// The same directory under another name for messages. A volume at a private mount point is `/` to the user.
    #[must_use]
    pub fn shown_as(mut self, shown: impl Into<PathBuf>) -> Self {
        self.shown = shown.into();
        self
    }

    /// The name of `path` in this directory for messages.
    pub fn shown(&self, path: impl AsRef<Path>) -> PathBuf {
        match path.as_ref() {
            path if path.as_os_str().is_empty() => self.shown.clone(),
            path => self.shown.join(path),
        }
    }

    /// A path to the directory that works while it is open here. Children of this process can use it without inheriting the descriptor.
    pub fn proc_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.fd.as_raw_fd()))
    }

    /// A path to the directory for this process alone, whatever number it has in `/proc`.
    pub fn own_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }

    /// A second handle on the same directory.
    pub fn duplicate(&self) -> Result<Self> {
        let fd = self.fd.try_clone().or_cannot("open", &self.shown)?;
        Ok(Dir { fd, shown: self.shown.clone() })
    }

    /// Opens the directory at `path`.
    pub fn dir(&self, path: impl AsRef<Path>) -> Result<Dir> {
        self.dir_with(path, Links::Refuse)
    }

    /// Opens the directory at `path` and follows links as `links` says.
    pub fn dir_with(&self, path: impl AsRef<Path>, links: Links) -> Result<Dir> {
        let fd = self.open_with(&path, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0, links)?;
        Ok(Dir { fd, shown: self.shown(path) })
    }

    /// Opens the directory at `path`. Returns `None` if there is none.
    pub fn dir_if_exists(&self, path: impl AsRef<Path>) -> Result<Option<Dir>> {
        if_exists(self.dir(path))
    }

    /// Opens the regular file at `path` for reading.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<File> {
        self.file_with(path, Links::Refuse)
    }

    /// Opens the regular file at `path` for reading and follows links as `links` says.
    ///
    /// Anything else is an error and is not opened: opening a device can have effects, and opening a FIFO would wait.
    pub fn file_with(&self, path: impl AsRef<Path>, links: Links) -> Result<File> {
        let path = path.as_ref();
        let found = self.open_with(path, OFlag::O_PATH, 0, links)?;
        file::regular(&found, &self.shown(path))
    }

    /// Makes a new file. It is an error if the name exists.
    pub fn create(&self, path: impl AsRef<Path>, mode: u32) -> Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        self.open_with(path, flags, mode, Links::Refuse).map(File::from)
    }

    /// Opens anything with these flags and follows links as `links` says.
    pub fn open_with(
        &self,
        path: impl AsRef<Path>,
        flags: OFlag,
        mode: u32,
        links: Links,
    ) -> Result<OwnedFd> {
        let path = path.as_ref();
        let open = || resolve::open(self.fd.as_fd(), path, flags, Mode::from_bits_truncate(mode), links);
        if flags.intersects(OFlag::O_CREAT) || flags.contains(OFlag::O_TMPFILE) {
            change("create", self.shown(path), open)
        } else if flags.contains(OFlag::O_TRUNC) {
            change("empty", self.shown(path), open)
        } else {
            open().or_cannot("open", self.shown(path))
        }
    }

    /// The whole content of the file at `path`. It is an error if it has more than `most` bytes.
    pub fn read(&self, path: impl AsRef<Path>, most: u64) -> Result<Vec<u8>> {
        self.read_with(path, Links::Refuse, most)
    }

    /// Like [`Dir::read`], but follows links as `links` says.
    pub fn read_with(&self, path: impl AsRef<Path>, links: Links, most: u64) -> Result<Vec<u8>> {
        let path = path.as_ref();
        file::bounded(self.file_with(path, links)?, &self.shown(path), most)
    }

    /// Like [`Dir::read`], but returns `None` if there is no file.
    pub fn read_if_exists(&self, path: impl AsRef<Path>, most: u64) -> Result<Option<Vec<u8>>> {
        if_exists(self.read(path, most))
    }

    /// Makes a new file with this content. It is an error if the name exists. The file is not synced.
    pub fn write_new(&self, path: impl AsRef<Path>, mode: u32, content: &[u8]) -> Result<File> {
        let mut file = self.create(&path, mode)?;
        change("write", self.shown(path), || file.write_all(content))?;
        Ok(file)
    }

    /// The `stat` of this directory itself.
    pub fn stat(&self) -> Result<FileStat> {
        fstat(&self.fd).or_cannot("examine", &self.shown)
    }

    /// The `stat` of `name`, or `None` if there is nothing. A link is not followed.
    pub fn stat_of(&self, name: impl AsRef<Path>) -> Result<Option<FileStat>> {
        let name = name.as_ref();
        if_exists(
            fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW).or_cannot("examine", self.shown(name)),
        )
    }

    /// The `stat` of `path`, or `None` if there is nothing, or if a component on the way is not a directory (a link, for example).
    pub fn stat_beneath(&self, path: &Path) -> Result<Option<FileStat>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        if parent.as_os_str().is_empty() {
            return self.stat_of(name);
        }
        match self.dir(parent) {
            Ok(dir) => dir.stat_of(name),
            Err(error) if matches!(error.os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the name is that of a regular file.
    pub fn is_file(&self, name: impl AsRef<Path>) -> Result<bool> {
        Ok(self.stat_of(name)?.is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG))
    }

    /// Whether there is anything at `name`.
    pub fn has(&self, name: impl AsRef<Path>) -> Result<bool> {
        Ok(self.stat_of(name)?.is_some())
    }

    /// Makes a directory.
    pub fn make_dir(&self, name: impl AsRef<Path>, mode: u32) -> Result<()> {
        let name = name.as_ref();
        change("create", self.shown(name), || mkdirat(&self.fd, name, Mode::from_bits_truncate(mode)))
    }

    /// Makes a directory if it is not there, and opens it.
    pub fn ensure_dir(&self, name: impl AsRef<Path>, mode: u32) -> Result<Dir> {
        if !self.has(&name)? {
            self.make_dir(&name, mode)?;
        }
        self.dir(name)
    }

    /// The target of the link `name`.
    pub fn read_link(&self, name: impl AsRef<Path>) -> Result<PathBuf> {
        let name = name.as_ref();
        readlinkat(&self.fd, name).map(PathBuf::from).or_cannot("read link", self.shown(name))
    }

    /// Makes a symbolic link.
    pub fn symlink(&self, target: impl AsRef<Path>, name: impl AsRef<Path>) -> Result<()> {
        let name = name.as_ref();
        change("create link", self.shown(name), || symlinkat(target.as_ref(), &self.fd, name))
    }

    /// Gives the file `file` one more name (a hard link). A symbolic link is not followed.
    pub fn hard_link(&self, file: impl AsRef<Path>, name: impl AsRef<Path>) -> Result<()> {
        let (file, name) = (file.as_ref(), name.as_ref());
        change("link", self.shown(name), || linkat(&self.fd, file, &self.fd, name, AtFlags::empty()))
    }

    /// Renames within this directory's tree. It replaces an existing `to`.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
        let (from, to) = (from.as_ref(), to.as_ref());
        change(format!("rename {} to", self.shown(from).display()), self.shown(to), || {
            renameat(&self.fd, from, &self.fd, to)
        })
    }

    /// Removes a file or a link.
    pub fn remove_file(&self, name: impl AsRef<Path>) -> Result<()> {
        let name = name.as_ref();
        change("remove", self.shown(name), || unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir))
    }

    /// Removes an empty directory (an empty subvolume too).
    pub fn remove_dir(&self, name: impl AsRef<Path>) -> Result<()> {
        let name = name.as_ref();
        change("remove", self.shown(name), || unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir))
    }

    /// The names in this directory, sorted by bytes.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut opened =
            nix::dir::Dir::openat(&self.fd, ".", flags, Mode::empty()).or_cannot("list", &self.shown)?;
        let mut entries = Vec::new();
        for entry in opened.iter() {
            let entry = entry.or_cannot("list", &self.shown)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let is_dir = entry.file_type().map(|kind| kind == nix::dir::Type::Directory);
                entries.push(Entry { name: OsStr::from_bytes(name).to_owned(), is_dir });
            }
        }
        entries.sort();
        Ok(entries)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Dir {
    /// A directory that is open already. [`Dir::shown_as`] gives it a name for messages.
    fn from(fd: OwnedFd) -> Self {
        Dir { fd, shown: PathBuf::new() }
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> OwnedFd {
        dir.fd
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_tree_is_made_listed_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        let sub = dir.ensure_dir("sub", 0o755).unwrap();
        sub.write_new("b", 0o644, b"two").unwrap();
        sub.symlink("b", "a").unwrap();
        let names: Vec<_> = sub.entries().unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(dir.read("sub/b", MOST_TEXT).unwrap(), b"two");
        dir.remove_tree("sub").unwrap();
        assert!(!dir.has("sub").unwrap());
        dir.remove_tree("sub").unwrap();
    }

    #[test]
    fn messages_use_the_name_that_the_user_knows() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap().shown_as("/");
        let error = dir.read("systems/devel", MOST_TEXT).unwrap_err().to_string();
        assert_eq!(error, "cannot open /systems/devel: No such file or directory");
        assert_eq!(dir.read_if_exists("nothing", MOST_TEXT).unwrap(), None);
    }

    #[test]
    fn only_a_regular_file_is_opened() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap().shown_as("/");
        mkfifo(&place.path().join("fifo"), Mode::S_IRWXU).unwrap();
        dir.make_dir("dir", 0o700).unwrap();
        dir.write_new("file", 0o600, b"content").unwrap();
        let refused = |name: &str| dir.read(name, MOST_TEXT).unwrap_err().to_string();
        assert_eq!(refused("fifo"), "/fifo: is a FIFO, not a file");
        assert_eq!(refused("dir"), "/dir: is a directory, not a file");
        assert_eq!(dir.read("file", MOST_TEXT).unwrap(), b"content");
    }

    #[test]
    fn what_is_behind_a_link_is_not_beneath() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        dir.make_dir("real", 0o700).unwrap();
        dir.write_new("real/file", 0o600, b"").unwrap();
        dir.symlink("real", "link").unwrap();
        let is_there = |path: &str| dir.stat_beneath(Path::new(path)).unwrap().is_some();
        assert!(is_there("real/file") && is_there("link"));
        assert!(!is_there("link/file") && !is_there("real/file/x") && !is_there("nothing/x"));
    }

    #[test]
    fn no_more_is_read_of_a_file_than_is_asked_for() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap().shown_as("/");
        dir.write_new("file", 0o600, b"content").unwrap();
        assert_eq!(dir.read("file", 7).unwrap(), b"content");
        let error = dir.read("file", 6).unwrap_err().to_string();
        assert_eq!(error, "/file has more than 6 bytes, the most that is read of it");
        // A huge hole must be refused at once, not read.
        dir.create("hole", 0o600).unwrap().set_len(1 << 40).unwrap();
        assert!(dir.read_if_exists("hole", MOST_TEXT).is_err());
    }

    #[test]
    fn links_are_not_followed_unless_asked() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        dir.symlink("/etc/passwd", "link").unwrap();
        assert!(dir.read("link", MOST_TEXT).is_err());
        assert!(dir.file("../x").is_err());
        assert!(dir.create("link", 0o600).is_err());
    }
}
