//! Artifacts: the root filesystems from which systems are deployed. They are never modified.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use system::copy::Copier;
use system::dir::Dir;
use system::error::OrCannot;
use system::lock::{self, Lock, Patience};
use system::observer::Silent;
use system::{Error, Result, atomic, folder};

/// The folder of artifacts: `NAME/`, or `NAME.tar`, compressed or not.
#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
}

/// A system's root filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// A folder with the tree.
    Folder(PathBuf),
    /// An archive of the tree.
    Archive(PathBuf),
}

/// The folder among the artifacts that holds their records and work in progress.
pub const RECORDS: &str = ".morph";

/// The endings of archives.
const ENDINGS: [&str; 4] = ["tar", "tar.zst", "tar.gz", "tar.xz"];

impl Artifacts {
    /// The artifacts in this folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Artifacts { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of records. It is made if it is missing, and hidden from git. So is the folder of artifacts, for its owner only: what an
    /// artifact has may be dangerous for this machine, such as programs that run as root.
    pub fn records(&self) -> Result<PathBuf> {
        let records = self.folder.join(RECORDS);
        if !records.is_dir() {
            folder::make_private(&records)?;
            atomic::write(&Dir::open(&self.folder)?, ".gitignore", 0o644, b"*\n")?;
        }
        Ok(records)
    }

    /// The artifact of the system of this name; `definition` is its file, for messages.
    pub fn find(&self, name: &str, definition: &Path) -> Result<Artifact> {
        let folder = Some(self.folder.join(name)).filter(|path| path.is_dir()).map(Artifact::Folder);
        let mut found = folder.into_iter().chain(self.archives(name).map(Artifact::Archive));
        match (found.next(), found.next()) {
            (Some(artifact), None) => Ok(artifact),
            (Some(one), Some(other)) => Err(Error::refused(format!(
                "{} and {} are both artifacts of {name}; remove one",
                one.path().display(),
                other.path().display()
            ))),
            (None, _) => Err(Error::refused(format!(
                "there is no artifact {name} in {}; run morph build {}",
                self.folder.display(),
                definition.display()
            ))),
        }
    }

    /// Fails if there is an archive of this name: it would be used in place of a build.
    pub fn refuse_archive(&self, name: &str) -> Result<()> {
        match self.archives(name).next() {
            None => Ok(()),
            Some(path) => Err(Error::refused(format!(
                "{} is there already and was not built here; remove it first",
                path.display()
            ))),
        }
    }

    fn archives(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let paths = ENDINGS.map(|ending| self.folder.join(format!("{name}.{ending}")));
        paths.into_iter().filter(|path| path.is_file())
    }

    /// Locks the artifact of this name, so that it is not replaced meanwhile. `None` if this user may not write there, and so cannot lock.
    pub fn hold(&self, name: &str, patience: Patience) -> Result<Option<Lock>> {
        let path = self.folder.join(RECORDS).join(format!("{name}.lock"));
        match lock::open(&path) {
            Ok(file) => Lock::take(file, &self.folder.join(name), patience).map(Some),
            Err(error) if is_not_ours(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Artifact {
    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Artifact::Folder(path) | Artifact::Archive(path) => path,
        }
    }

    /// Makes a copy in the existing, empty folder `to`. The copy shares blocks if the filesystem can.
    pub fn copy_to(&self, to: &Path) -> Result<()> {
        match self {
            Artifact::Folder(path) => copy_folder(path, to),
            Artifact::Archive(path) => baserock_archive::unpack_file(path, 0, &Dir::open(to)?, &Silent),
        }?;
        let mut entries = fs::read_dir(to).or_cannot("list", to)?;
        if entries.next().is_none() {
            return Err(Error::malformed(self.path(), "the artifact is empty; build it again"));
        }
        Ok(())
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let destination = Dir::open(to)?;
    let mut copier = Copier::new(&destination);
    copier.contents(&Dir::open(from)?, Path::new(""))?;
    match copier.left_out().mounts.as_slice() {
        [] => Ok(()),
        [mount, ..] => {
            Err(Error::refused(format!("something is mounted on {}; unmount it first", mount.display())))
        }
    }
}

fn is_not_ours(error: &Error) -> bool {
    let refusals = [Errno::ENOENT, Errno::EPERM, Errno::EACCES, Errno::EROFS].map(|errno| errno as i32);
    error.os_error().is_some_and(|errno| refusals.contains(&errno))
}
