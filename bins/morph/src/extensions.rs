//! Finds extensions, in the definitions repository and among the installed ones.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use system::error::{OrCannot, if_exists};
use system::process::{Interpreter, Program};
use system::{Error, Result};

use crate::nearest;
use crate::repository::Repository;

/// The extensions of a definitions repository, and the installed ones. Those of the repository come first.
#[derive(Clone, Debug)]
pub struct Extensions {
    repository: Repository,
    installed: PathBuf,
}

/// The kind of an extension, which is the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Makes a root filesystem.
    Build,
    /// Checks a deployment before it is made.
    Check,
    /// Changes a root filesystem before it is written.
    Configure,
    /// Tells how the place of a deployment stands.
    Status,
    /// Writes a root filesystem to its place.
    Write,
}

/// An extension in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedExtension {
    /// Its name in a cluster file: `extensions/rawdisk`.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// Its file.
    pub path: PathBuf,
}

/// Installed extensions are named as if they were in this folder.
const FOLDER: &str = "extensions";

const KINDS: [Kind; 5] = [Kind::Build, Kind::Check, Kind::Configure, Kind::Status, Kind::Write];

impl Kind {
    /// The ending of the file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Kind::Build => "build",
            Kind::Check => "check",
            Kind::Configure => "configure",
            Kind::Status => "status",
            Kind::Write => "write",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.ending())
    }
}

impl Extensions {
    /// The extensions of the repository, and those in the folder `installed`.
    pub fn new(repository: Repository, installed: PathBuf) -> Self {
        Extensions { repository, installed }
    }

    /// The executable of the extension with this name in a definition, such as `extensions/NAME`.
    pub fn find(&self, name: &str, kind: Kind) -> Result<PathBuf> {
        for path in self.places(name, kind)? {
            if let Some(status) = if_exists(fs::metadata(&path).or_cannot("look at", &path))? {
                executable(&path, &status)?;
                return Ok(path);
            }
        }
        Err(self.unknown(name, kind)?)
    }

    /// What belongs to a write extension and stands beside it, if there is such: its check, its status.
    pub fn beside(write: &Path, kind: Kind) -> Result<Option<PathBuf>> {
        let path = write.with_extension(kind.ending());
        match if_exists(fs::metadata(&path).or_cannot("look at", &path))? {
            None => Ok(None),
            Some(status) => executable(&path, &status).map(|()| Some(path)),
        }
    }

    /// All extensions by name and kind. If the repository and the installed folder have the same one, that of the repository counts.
    pub fn list(&self) -> Result<Vec<ListedExtension>> {
        let mut all = BTreeMap::new();
        for (name, kind, path) in self.installed()?.into_iter().chain(self.in_repository()?) {
            all.insert((name, kind), path);
        }
        Ok(all.into_iter().map(|((name, kind), path)| ListedExtension { name, kind, path }).collect())
    }

    fn places(&self, name: &str, kind: Kind) -> Result<Vec<PathBuf>> {
        let file = PathBuf::from(format!("{name}.{kind}"));
        let own = self.repository.inside(&file)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let installed = file.file_name().filter(|_| folder == Path::new("") || folder == Path::new(FOLDER));
        let bare = folder == Path::new("");
        let beside = installed.filter(|_| bare).map(|name| self.repository.root().join(FOLDER).join(name));
        let installed = installed.map(|name| self.installed.join(name));
        Ok([Some(own), beside, installed].into_iter().flatten().collect())
    }

    fn unknown(&self, name: &str, kind: Kind) -> Result<Error> {
        let all = self.list()?;
        let same: Vec<&str> = all.iter().filter(|e| e.kind == kind).map(|e| e.name.as_str()).collect();
        let suggestion = nearest::suggestion(name, same);
        Ok(Error::refused(format!(
            "there is no {kind} extension {name}, neither in {} nor in {}{suggestion} (see morph help-extensions)",
            self.repository.root().display(),
            self.installed.display(),
        )))
    }

    fn installed(&self) -> Result<Vec<(String, Kind, PathBuf)>> {
        let entries = if_exists(fs::read_dir(&self.installed).or_cannot("list", &self.installed))?;
        let mut found = Vec::new();
        for entry in entries.into_iter().flatten() {
            let path = entry.or_cannot("list", &self.installed)?.path();
            found.extend(named(&path, Path::new(FOLDER)));
        }
        Ok(found)
    }

    fn in_repository(&self) -> Result<Vec<(String, Kind, PathBuf)>> {
        let root = self.repository.root();
        let files = self.repository.files(&KINDS.map(Kind::ending))?;
        let folder = |path: &Path| path.parent()?.strip_prefix(root).ok().map(Path::to_owned);
        Ok(files.iter().filter_map(|path| named(path, &folder(path)?)).collect())
    }
}

/// The name and kind of an extension, as if its file were in `folder`; `None` if the file is not an extension.
fn named(path: &Path, folder: &Path) -> Option<(String, Kind, PathBuf)> {
    let ending = path.extension()?.to_str()?;
    let kind = KINDS.into_iter().find(|kind| kind.ending() == ending)?;
    let name = folder.join(path.file_stem()?);
    Some((name.to_str()?.to_owned(), kind, path.to_owned()))
}

/// Checks that the file can be run. A script without permission to be executed is run by its interpreter: many repositories have such.
fn executable(path: &Path, status: &fs::Metadata) -> Result<()> {
    let shown = path.display();
    if !status.is_file() {
        return Err(Error::refused(format!("the extension {shown} is not a file")));
    }
    match Interpreter::of(path)? {
        Some(Interpreter { program, .. }) if program.is_absolute() && !program.exists() => {
            Err(Error::refused(format!(
                "the extension {shown} needs the interpreter {}, which is not there",
                program.display()
            )))
        }
        Some(Interpreter { program, argument: Some(argument) }) if program.ends_with("env") => {
            match argument.to_str().filter(|name| !name.contains(['=', ' ']) && !name.starts_with('-')) {
                Some(name) if system::process::find_in_path(name).is_none() => Err(Error::refused(format!(
                    "the extension {shown} needs the interpreter {name}, which is not there"
                ))),
                _ => Ok(()),
            }
        }
        Some(_) => Ok(()),
        None if may_execute(status) => Ok(()),
        None => Err(Error::refused(format!("the extension {shown} is not executable; run chmod +x {shown}"))),
    }
}

fn may_execute(status: &fs::Metadata) -> bool {
    status.permissions().mode() & 0o111 != 0
}

/// The program that runs the extension.
pub fn program(extension: &Path) -> Result<Program> {
    let status = fs::metadata(extension).or_cannot("look at", extension)?;
    Ok(match Interpreter::of(extension)?.filter(|_| !may_execute(&status)) {
        Some(interpreter) => Program::new(interpreter.program).args(interpreter.argument).arg(extension),
        None => Program::new(extension),
    })
}
