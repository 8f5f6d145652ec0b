//! An archive unpacked by both programs.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::generate::Odd;
use crate::squeeze::Compression;
use crate::tree::{Facts, Tree, describe};
use crate::unpacking;

/// A folder outside of all trees, to which links of archives lead. bsdtar sometimes changes mode and attributes of it, so links must not lead to a
/// folder that somebody needs.
pub const OUTSIDE: &str = "/run/baserock-outside";

/// A folder in memory for both trees.
pub struct Place {
    folder: TempDir,
    start: i64,
}

/// What both made of an archive.
pub struct Outcome {
    /// Whether the other program has changed what is outside of the tree.
    pub left: bool,
    pub ours: Result<Tree, String>,
    pub theirs: Result<Tree, String>,
}

/// A difference between both.
#[derive(Debug)]
pub enum Difference {
    /// Only this program refuses, and says why.
    Refused(String),
    /// Only the other program fails, and says why.
    Failed(String),
    /// Only one has the file, this program if `ours`.
    File { path: String, ours: bool },
    /// A fact differs.
    Fact { path: String, fact: &'static str, ours: String, theirs: String },
}

/// A folder in memory, and the time now, in seconds.
pub fn fresh() -> (TempDir, i64) {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder can be made");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    (folder, i64::try_from(now).expect("a time") - 1)
}

impl Place {
    pub fn new() -> Self {
        let (folder, start) = fresh();
        Place { folder, start }
    }

    /// Leaves the folder where it is, and says where.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        println!("kept in {}", self.folder.path().display());
    }

    pub fn unpack(&self, odd: &Odd) -> Outcome {
        let [ours, theirs] = ["ours", "theirs"].map(|name| self.fresh(name));
        make_outside();
        let before = describe(Path::new(OUTSIDE), self.start);
        let made = unpack(&odd.bytes, &ours);
        let after = describe(Path::new(OUTSIDE), self.start);
        assert!(before == after, "an archive has changed {OUTSIDE}: {after:?}");
        let archive = self.folder.path().join("a.tar");
        fs::write(&archive, &odd.bytes).expect("an archive can be written");
        let done = tar(&archive, odd.compression, &theirs);
        Outcome {
            left: describe(Path::new(OUTSIDE), self.start) != before,
            ours: made.map(|()| describe(&ours, self.start)),
            theirs: done.map(|()| describe(&theirs, self.start)),
        }
    }

    /// What bsdtar makes of the archive that was unpacked last, also if it complains.
    pub fn third(&self) -> Tree {
        let third = self.fresh("third");
        let before = describe(Path::new(OUTSIDE), self.start);
        drop(bsdtar(&self.folder.path().join("a.tar"), &third));
        if describe(Path::new(OUTSIDE), self.start) != before {
            println!("bsdtar has changed a folder outside of its tree");
        }
        describe(&third, self.start)
    }

    fn fresh(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).expect("a tree can be removed");
        }
        fs::create_dir(&path).expect("a folder can be made");
        path
    }
}

fn make_outside() {
    let outside = Path::new(OUTSIDE);
    if outside.exists() {
        fs::remove_dir_all(outside).expect("the folder outside can be removed");
    }
    fs::create_dir(outside).expect("the folder outside can be made");
    File::open(outside).and_then(|folder| folder.set_modified(UNIX_EPOCH)).expect("a time");
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(OUTSIDE).expect("the folder outside can be removed");
    }
}

fn unpack(archive: &[u8], to: &Path) -> Result<(), String> {
    unpacking::unpack(archive, to, &unpacking::options(Path::new("a.tar")))
        .map(drop)
        .map_err(|error| error.to_string())
}

fn tar(archive: &Path, compression: Compression, to: &Path) -> Result<(), String> {
    let options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-xpf"];
    let mut command = Command::new("tar");
    // It recognizes these only in part.
    command.args(match compression {
        Compression::Lz4 => &["-I", "lz4"][..],
        Compression::Lzip => &["-I", "lzip"],
        Compression::Lzma => &["-I", "lzma"],
        _ => &[],
    });
    run(command.env("LC_ALL", "C").args(options).arg(archive).arg("-C").arg(to))
}

fn bsdtar(archive: &Path, to: &Path) -> Result<(), String> {
    let options = ["--numeric-owner", "--xattrs", "--acls", "-xpf"];
    run(Command::new("bsdtar").env("LC_ALL", "C.UTF-8").args(options).arg(archive).arg("-C").arg(to))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().expect("the program is installed");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(text) }
}

impl Outcome {
    pub fn both(&self) -> bool {
        self.ours.is_ok() && self.theirs.is_ok()
    }

    pub fn differences(&self) -> Vec<Difference> {
        match (&self.ours, &self.theirs) {
            (Err(_), Err(_)) => Vec::new(),
            (Err(ours), Ok(_)) => vec![Difference::Refused(ours.clone())],
            (Ok(_), Err(theirs)) => vec![Difference::Failed(theirs.clone())],
            (Ok(ours), Ok(theirs)) => between(ours, theirs),
        }
    }
}

fn between(ours: &Tree, theirs: &Tree) -> Vec<Difference> {
    let mut found = Vec::new();
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for path in paths {
        match (ours.get(path), theirs.get(path)) {
            (Some(one), Some(other)) => facts(path, one, other, &mut found),
            (one, _) => found.push(Difference::File { path: path.clone(), ours: one.is_some() }),
        }
    }
    found
}

fn facts(path: &str, one: &Facts, other: &Facts, found: &mut Vec<Difference>) {
    let names: BTreeSet<&'static str> = one.keys().chain(other.keys()).copied().collect();
    for fact in names {
        let [ours, theirs] = [one, other].map(|facts| facts.get(fact).cloned().unwrap_or_default());
        if ours != theirs {
            found.push(Difference::Fact { path: path.to_owned(), fact, ours, theirs });
        }
    }
}
