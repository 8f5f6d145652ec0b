//! FAT filesystems without the kernel's help: read and written by mtools, since the kernel at hand may not know FAT.
//!
//! A [`Mirror`] is an ordinary directory in memory with what the FAT has below some names. Operations work on the directory;
//! [`Mirror::push`] brings the FAT up to it. FAT has no rename that replaces, so a power cut during a push may leave a changed file
//! missing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use crate::dir::Dir;
use crate::error::Result;
use crate::loopdev::LoopDevice;
use crate::mount::PrivateMount;
use crate::process::Program;
use crate::step::change;
use crate::walk::{Visit, Walk};

/// The Debian package of the programs.
const PACKAGE: &str = "mtools";

/// A FAT filesystem's content as a directory.
#[derive(Debug)]
pub struct Mirror {
    known: RefCell<Tree>,
    mount: PrivateMount,
    device: PathBuf,
    names: &'static [&'static str],
    _attached: Option<LoopDevice>,
}

/// What is in a directory, by path: the state of a file, `None` for a directory.
type Tree = BTreeMap<PathBuf, Option<State>>;

/// What tells a file from what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    size: i64,
    changed: (i64, i64),
}

impl Mirror {
    /// Mirrors these names at the top of the FAT on `device`. [`Mirror::push`] writes them in this order, after everything else. An
    /// `attached` device is detached with the mirror.
    pub fn new(
        device: PathBuf,
        attached: Option<LoopDevice>,
        names: &'static [&'static str],
    ) -> Result<Self> {
        let mount = PrivateMount::new(Path::new("baserock-fat"), "tmpfs", MsFlags::empty(), "mode=700")?;
        let mirror = Mirror { known: RefCell::default(), mount, device, names, _attached: attached };
        let there = mirror.names()?;
        for name in names {
            if there.iter().any(|there| there.eq_ignore_ascii_case(name)) {
                mirror
                    .tool("mcopy")
                    .args(["-s", "-n", "-m"])
                    .arg(inside(Path::new(name)))
                    .arg(mirror.path())
                    .run()?;
            }
        }
        mirror.known.replace(mirror.tree()?);
        Ok(mirror)
    }

    /// Where the directory is, for this process and its children.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// The device or the attached image of the FAT.
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// Makes the FAT what the directory is: new files are written before old ones are removed. Then waits for the disk.
    pub fn push(&self) -> Result<()> {
        let (now, before) = (self.tree()?, self.known.borrow().clone());
        let is_new = |path: &PathBuf, state: &Option<State>| before.get(path) != Some(state);
        for (path, _) in now.iter().filter(|(path, state)| state.is_none() && is_new(path, state)) {
            self.tool("mmd").arg(inside(path)).run()?;
        }
        let mut files: Vec<_> = now
            .iter()
            .filter(|(path, state)| state.is_some() && is_new(path, state))
            .map(|(path, _)| path)
            .collect();
        files.sort_by_key(|path| self.names.iter().position(|name| path.starts_with(name)));
        for path in files {
            self.tool("mcopy").args(["-o", "-m"]).arg(self.path().join(path)).arg(inside(path)).run()?;
        }
        // Backwards: what is in a directory before the directory.
        for (path, state) in before.iter().rev().filter(|(path, _)| !now.contains_key(*path)) {
            self.tool(if state.is_some() { "mdel" } else { "mrd" }).arg(inside(path)).run()?;
        }
        self.known.replace(now);
        change("sync", &self.device, || File::open(&self.device).and_then(|device| device.sync_all()))
    }

    /// The names at the top of the FAT.
    fn names(&self) -> Result<Vec<String>> {
        // Of an empty one mdir says that the file is not found.
        let Ok(output) = self.tool("mdir").args(["-b", "-a"]).arg("::/").run() else {
            return self.tool("minfo").arg("::").run().map(|_| Vec::new());
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("::/"));
        Ok(names.map(|name| name.trim_end_matches('/').to_owned()).collect())
    }

    fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::new();
        let mut walk = Walk::new(Dir::open(self.path())?)?;
        while let Some(visit) = walk.next()? {
            match visit {
                Visit::Enter(place, _) if !place.path.as_os_str().is_empty() => {
                    tree.insert(place.path.to_owned(), None);
                }
                Visit::Name(place) => {
                    let Some(stat) = place.dir.stat_of(place.name)? else { continue };
                    // FAT has nothing but directories and files.
                    if stat.st_mode & libc::S_IFMT == libc::S_IFREG {
                        let changed = (stat.st_ctime, stat.st_ctime_nsec);
                        let state = State { inode: stat.st_ino, size: stat.st_size, changed };
                        tree.insert(place.path.to_owned(), Some(state));
                    }
                }
                Visit::Enter(..) | Visit::Leave(_) | Visit::Mount(_) => {}
            }
        }
        Ok(tree)
    }

    fn tool(&self, name: &str) -> Program {
        // The geometry of an image is nobody's business here.
        Program::new(name).package(PACKAGE).env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(&self.device)
    }
}

/// A path in the FAT, as mtools have it.
fn inside(path: &Path) -> String {
    format!("::/{}", path.display())
}
