//! `add-config-files`: copies the files of a folder into `/etc`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use baserock::extension::Environment;
use system::dir::Dir;
use system::error::OrCannot;
use system::observer::Observer;
use system::{Error, Result, atomic, file};

use crate::tree::{self, Access, Tree};

/// Copies the files in the folder `SRC_CONFIG_DIR` into `etc`. They keep their permissions and belong to root. Existing files are replaced.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let Some(source) = environment.raw("SRC_CONFIG_DIR").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let etc = Tree::open(root)?.ensure_folder(Path::new("etc"), 0o755)?;
    copy(Path::new(source), &etc, observer)
}

fn copy(from: &Path, to: &Dir, observer: &dyn Observer) -> Result<()> {
    for entry in fs::read_dir(from).or_cannot("list", from)? {
        let entry = entry.or_cannot("list", from)?;
        let path = entry.path();
        let name = entry.file_name();
        let name =
            name.to_str().ok_or_else(|| Error::refused(format!("{}: use names in UTF-8", path.display())))?;
        let status = fs::symlink_metadata(&path).or_cannot("look at", &path)?;
        let access = Access::root(status.permissions().mode() & 0o7777);
        if status.is_dir() {
            let folder = to.ensure_dir(name, 0o700)?;
            tree::set_access(&folder, access)?;
            copy(&path, &folder, observer)?;
        } else if status.is_symlink() {
            let target = fs::read_link(&path).or_cannot("read the link", &path)?;
            atomic::replace(to, name, |temporary| to.symlink(&target, temporary))?;
        } else if status.is_file() {
            tree::write(to, name, file::open(&path)?, access)?;
        } else {
            return Err(Error::refused(format!("{} is no file, folder or link", path.display())));
        }
        observer.phase(format!("adding {}", path.display()));
    }
    Ok(())
}
