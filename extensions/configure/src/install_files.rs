//! `install-files`: installs the files that manifests list.

use std::fs;
use std::path::Path;

use baserock::extension::{Environment, paths};
use system::error::OrCannot;
use system::observer::Observer;
use system::{Error, Result, atomic};

use crate::manifest::{self, Entry, Kind};
use crate::tree::{self, Tree};

/// Installs the files in the manifests that `INSTALL_FILES` names.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let Some(manifests) = environment.text("INSTALL_FILES")? else { return Ok(()) };
    let tree = Tree::open(root)?;
    for file in paths(manifests) {
        let text = fs::read_to_string(file).or_cannot("read", file)?;
        let entries = manifest::parse(&text).map_err(|reason| Error::malformed(file, reason))?;
        let sources = file.parent().unwrap_or(Path::new(""));
        for entry in &entries {
            observer.phase(format!("installing /{}", entry.path.display()));
            install(&tree, entry, sources)?;
        }
    }
    Ok(())
}

fn install(tree: &Tree, entry: &Entry, sources: &Path) -> Result<()> {
    let source = sources.join(&entry.path);
    let (folder, name) = tree.place(&entry.path)?;
    if entry.kind == Kind::Folder {
        return tree::set_access(&folder.ensure_dir(name, 0o700)?, entry.access);
    }
    if folder.has(name)? && !entry.overwrite {
        return Err(Error::refused(format!(
            "/{} is there already; write overwrite before its line in the manifest",
            entry.path.display()
        )));
    }
    if entry.kind == Kind::Link {
        let target = fs::read_link(&source).or_cannot("read the link", &source)?;
        return atomic::replace(&folder, name, |temporary| folder.symlink(&target, temporary));
    }
    tree::write(&folder, name, &fs::read(&source).or_cannot("read", &source)?, entry.access)
}
