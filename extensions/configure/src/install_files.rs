//! `install-files`: installs the files that manifests list.

use std::fs;
use std::path::Path;

use baserock::extension::{Environment, paths};
use system::dir::MOST_TEXT;
use system::error::OrCannot;
use system::observer::Observer;
use system::{Error, Result, atomic, file};

use crate::manifest::{self, Entry, Kind};
use crate::template;
use crate::tree::{self, Tree};

/// Installs the files in the manifests that `INSTALL_FILES` names, and then those of `INSTALL_FILES_…`, by the names of these variables.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let names = environment.iter().filter_map(|(name, _)| name.to_str());
    let names = names.filter(|name| *name == "INSTALL_FILES" || name.starts_with("INSTALL_FILES_"));
    let manifests: Vec<&str> =
        names.filter_map(|name| environment.text(name).transpose()).collect::<Result<_>>()?;
    let tree = Tree::open(root)?;
    for path in manifests.into_iter().flat_map(paths) {
        let text = file::read_text(path, MOST_TEXT)?;
        let entries = manifest::parse(&text).map_err(|reason| Error::malformed(path, reason))?;
        let sources = path.parent().unwrap_or(Path::new(""));
        for entry in &entries {
            observer.phase(format!("installing /{}", entry.path.display()));
            install(&tree, entry, sources, environment)?;
        }
    }
    Ok(())
}

fn install(tree: &Tree, entry: &Entry, sources: &Path, environment: &Environment) -> Result<()> {
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
    if entry.template {
        let content = template::fill(&file::read(&source, MOST_TEXT)?, &source, environment)?;
        return tree::write(&folder, name, content.as_slice(), entry.access);
    }
    tree::write(&folder, name, file::open(&source)?, entry.access)
}
