//! The definitions repository: the folder with cluster files, system definitions and extensions. Their paths are relative to it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use baserock::yaml;
use system::error::OrCannot;
use system::{Error, Result, file};

use crate::artifacts;
use crate::cluster::Cluster;
use crate::definition::Definition;
use crate::document;

/// The repository's folder.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository of a file: the nearest folder above the file with `.git`, else the current folder.
    pub fn above(file: &Path) -> Result<Repository> {
        let file = std::path::absolute(file).or_cannot("find", file)?;
        match file.ancestors().skip(1).find(|folder| folder.join(".git").exists()) {
            Some(root) => Ok(Repository { root: root.to_owned() }),
            None => Repository::current(),
        }
    }

    /// The repository of the current folder: itself, or the nearest one above it with `.git`.
    pub fn current() -> Result<Repository> {
        let current = std::env::current_dir().or_cannot("find", ".")?;
        let root = current.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&current);
        Ok(Repository { root: root.to_owned() })
    }

    /// Whether git keeps it. In a work tree beside another one, `.git` is a file.
    pub fn is_kept_by_git(&self) -> bool {
        let git = self.root.join(".git");
        git.is_file() || git.join("HEAD").exists()
    }

    /// Its folder, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of a file that a definition names. The name has to be relative, and to stay inside the repository.
    pub fn inside(&self, name: &Path) -> Result<PathBuf> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.as_os_str().is_empty() || !name.components().all(plain) {
            let shown = name.display();
            return Err(Error::refused(format!(
                "{shown}: use a path relative to the repository, without .."
            )));
        }
        Ok(self.root.join(name))
    }

    /// Reads a cluster file.
    pub fn cluster(file: &Path) -> Result<Cluster> {
        Cluster::parse(file, &read(file)?)
    }

    /// Reads the system definition that a cluster file names; `.morph` may be left out.
    pub fn definition(&self, name: &Path) -> Result<Definition> {
        let path = self.definition_file(name)?;
        Definition::parse(path.strip_prefix(&self.root).unwrap_or(&path), &read(&path)?)
    }

    /// The file of the system definition that a cluster file names.
    pub fn definition_file(&self, name: &Path) -> Result<PathBuf> {
        Ok(with_ending(self.inside(name)?))
    }

    /// The path in the repository of a system that was named on the command line, relative to the current folder or to the repository.
    pub fn system(&self, name: &Path) -> Result<PathBuf> {
        let given = std::path::absolute(name).or_cannot("find", name)?;
        match with_ending(given).strip_prefix(&self.root) {
            Ok(path) if self.root.join(path).is_file() => Ok(path.to_owned()),
            _ => {
                let path = with_ending(self.inside(name)?);
                Ok(path.strip_prefix(&self.root).unwrap_or(&path).to_owned())
            }
        }
    }

    /// All cluster files of the repository.
    pub fn clusters(&self) -> Result<Vec<Cluster>> {
        let mut clusters = Vec::new();
        for file in self.files(&["morph"])? {
            let text = read(&file)?;
            if document::kind(&text).as_deref() == Some("cluster") {
                clusters.push(Cluster::parse(&file, &text)?);
            }
        }
        Ok(clusters)
    }

    /// The files of the repository with one of these endings, absolute and sorted. Hidden folders, links and artifacts are left out.
    pub fn files(&self, endings: &[&str]) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        collect(&self.root, endings, &mut files)?;
        files.sort();
        Ok(files)
    }
}

fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join(artifacts::RECORDS).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder).or_cannot("list", folder)? {
        let entry = entry.or_cannot("list", folder)?;
        let (path, hidden) = (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
        let kind = entry.file_type().or_cannot("look at", &path)?;
        let ending = path.extension().and_then(|ending| ending.to_str());
        if kind.is_dir() && !hidden {
            collect(&path, endings, files)?;
        } else if kind.is_file() && ending.is_some_and(|ending| endings.contains(&ending)) {
            files.push(path);
        }
    }
    Ok(())
}

fn with_ending(path: PathBuf) -> PathBuf {
    if path.is_file() || path.extension().is_some_and(|ending| ending == "morph") {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".morph");
    name.into()
}

fn read(path: &Path) -> Result<String> {
    let bytes = file::read(path, yaml::MOST)?;
    String::from_utf8(bytes).map_err(|_| Error::malformed(path, "not YAML: it is not UTF-8 text"))
}
