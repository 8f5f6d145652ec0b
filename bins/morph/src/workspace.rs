//! Private folders for work in progress. They are removed when the work ends, even if it fails.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::Uid;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::{Lock, Patience};

/// A private folder that is removed when this is dropped. It is locked while it is in use.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    _lock: Lock,
}

/// The beginning of the names of these folders.
const PREFIX: &str = "morph-work-";

impl Workspace {
    /// Makes a folder in `parent`, for its owner only.
    pub fn create(parent: &Path) -> Result<Workspace> {
        let private = fs::Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(parent);
        let path = made.or_cannot("make a folder for work in", parent)?.keep();
        let folder = File::open(&path).or_cannot("open", &path)?;
        let lock = Lock::take(folder, &path, Patience::Refuse)?;
        Ok(Workspace { path, _lock: lock })
    }

    /// Makes an empty folder in it. A folder of the same name is removed first.
    pub fn folder(&self, name: &str, mode: u32) -> Result<PathBuf> {
        let inside = Dir::open(&self.path)?;
        inside.remove_tree(name)?;
        inside.make_dir(name, mode)?;
        Ok(self.path.join(name))
    }

    /// Removes the folders in `parent` that are not in use, and returns their paths.
    pub fn remove_abandoned(parent: &Path) -> Result<Vec<PathBuf>> {
        let folder = Dir::open(parent)?;
        let mut removed = Vec::new();
        for entry in folder.entries()? {
            let path = parent.join(&entry.name);
            if entry.name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) && is_abandoned(&path)? {
                folder.remove_tree(&entry.name)?;
                removed.push(path);
            }
        }
        Ok(removed)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::error!("cannot clean up: {error}; morph gc tries again");
        }
    }
}

/// Whether it is a folder of this user, and no process works in it.
fn is_abandoned(path: &Path) -> Result<bool> {
    let found = fs::symlink_metadata(path).or_cannot("examine", path)?;
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() {
        return Ok(false);
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let folder = File::options().read(true).custom_flags(flags.bits()).open(path).or_cannot("open", path)?;
    match Lock::take(folder, path, Patience::Refuse) {
        Ok(_) => Ok(true),
        Err(Error::Busy { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> Result<()> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Dir::open(parent)?.remove_tree(name),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_private_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path()).unwrap();
        let tree = workspace.folder("tree", 0o755).unwrap();
        fs::write(tree.join("file"), "content").unwrap();
        assert_eq!(fs::metadata(&workspace.path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(workspace.folder("tree", 0o755).unwrap()).unwrap().count(), 0);
        assert!(Workspace::remove_abandoned(parent.path()).unwrap().is_empty());
        drop(workspace);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn folders_of_killed_processes_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir_all(parent.path().join("morph-work-dead/tree")).unwrap();
        fs::create_dir(parent.path().join("other")).unwrap();
        nix::unistd::mkfifo(&parent.path().join("morph-work-fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let removed = Workspace::remove_abandoned(parent.path()).unwrap();
        assert_eq!(removed, [parent.path().join("morph-work-dead")]);
        assert!(parent.path().join("other").exists());
    }
}
