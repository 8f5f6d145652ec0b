//! Reads and writes FAT filesystems with mtools, because the running kernel may not know FAT.
//!
//! A [`Mirror`] is a directory in memory. It has the files that the FAT has below some names. Operations work on the directory, and
//! [`Mirror::push`] copies its changes to the FAT. FAT has no rename that replaces, so a power cut during a push may leave a changed
//! file missing, or the FAT damaged. [`Mirror::overwrite`] has no such risk.

mod place;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::MsFlags;

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result};
use crate::loopdev::LoopDevice;
use crate::mount::PrivateMount;
use crate::overwrite::overwrite;
use crate::process::Program;
use crate::resolve::Links;
use crate::step::change;
use crate::walk::{Visit, Walk};

use self::place::Layout;

/// The Debian package of mtools.
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

/// The content of a directory by path: the state of each file, `None` for a directory.
type Tree = BTreeMap<PathBuf, Option<State>>;

/// The state of a file. It differs after every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    size: i64,
    changed: (i64, i64),
}

impl Mirror {
    /// Mirrors these names at the top of the FAT on `device`. [`Mirror::push`] writes them in this order, after all other names. An
    /// `attached` device is detached when the mirror is dropped.
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

    /// The path of the directory, for this process and its children.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// The device that holds the FAT. For an image this is its loop device.
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// Copies the directory's changes to the FAT: new files are written first, old ones are removed after that. Then syncs the device.
    pub fn push(&self) -> Result<()> {
        let (now, before) = (self.tree()?, self.known.borrow().clone());
        let is_new = |path: &PathBuf, state: &Option<State>| before.get(path) != Some(state);
        for (path, _) in now.iter().filter(|(path, state)| state.is_none() && is_new(path, state)) {
            self.tool("mmd").arg(inside(path)).run().map_err(|error| self.or_full(error))?;
        }
        let mut files: Vec<_> = now
            .iter()
            .filter(|(path, state)| state.is_some() && is_new(path, state))
            .map(|(path, _)| path)
            .collect();
        files.sort_by_key(|path| self.names.iter().position(|name| path.starts_with(name)));
        for path in files {
            let copy = self.tool("mcopy").args(["-o", "-m"]).arg(self.path().join(path)).arg(inside(path));
            copy.run().map_err(|error| self.or_full(error))?;
        }
        // In reverse, so that a directory is empty when it is removed.
        for (path, state) in before.iter().rev().filter(|(path, _)| !now.contains_key(*path)) {
            self.tool(if state.is_some() { "mdel" } else { "mrd" }).arg(inside(path)).run()?;
        }
        self.known.replace(now);
        change("sync", &self.device, || File::open(&self.device).and_then(|device| device.sync_all()))
    }

    /// Overwrites a file of the same size in its place, so that nothing else of the FAT changes, and waits until it is on the disk. Does nothing,
    /// and returns false, if the FAT has the file in pieces.
    pub fn overwrite(&self, path: &Path, content: &[u8]) -> Result<bool> {
        let said = self.tool("mshowfat").arg(inside(path)).run()?;
        let device =
            File::options().read(true).write(true).open(&self.device).or_cannot("open", &self.device)?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let Some(offset) = Layout::read(&device, &self.device)?.offset(&said, &inside(path)) else {
            return Ok(false);
        };
        let dir = Dir::open(self.path())?;
        let mut there = vec![0; content.len()];
        device.read_exact_at(&mut there, offset).or_cannot("read", &self.device)?;
        if dir.read(path, content.len() as u64)? != there {
            return Err(Error::malformed(
                &self.device,
                format!("{} is not where it seems to be", inside(path)),
            ));
        }
        overwrite(&device, &self.device, offset, content)?;
        let copy = File::from(dir.open_with(path, OFlag::O_RDWR, 0, Links::Beneath)?);
        overwrite(&copy, &dir.shown(path), 0, content)?;
        self.known.replace(self.tree()?);
        Ok(true)
    }

    /// The free bytes of the FAT.
    pub fn room(&self) -> Result<u64> {
        let output = self.tool("mdir").arg("::/").run()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let free = text.lines().find_map(|line| line.trim().strip_suffix("bytes free"));
        let digits = free.map(|free| free.chars().filter(char::is_ascii_digit).collect::<String>());
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Error::malformed(&self.device, "mdir does not say how much is free"))
    }

    /// The error, or the kernel's one for a lack of space if that is what mtools say.
    fn or_full(&self, error: Error) -> Error {
        match error {
            Error::Program { stderr, .. } if stderr.to_lowercase().contains("disk full") => Error::Io {
                action: "write to".into(),
                path: self.device.clone(),
                cause: std::io::Error::from_raw_os_error(libc::ENOSPC),
            },
            error => error,
        }
    }

    /// The names at the top of the FAT.
    fn names(&self) -> Result<Vec<String>> {
        // In an empty FAT mdir fails: it says that the file is not found.
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
                Visit::Enter(place, _) if !place.is_top() => {
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
        // Without the check, mtools does not refuse an image for its geometry.
        Program::new(name).package(PACKAGE).env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(&self.device)
    }
}

/// A path in the FAT, in the notation of mtools.
fn inside(path: &Path) -> String {
    format!("::/{}", path.display())
}
