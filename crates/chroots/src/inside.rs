//! Finds the processes inside a chroot: those that have it as their root.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::Serialize;
use system::dir::Dir;
use system::error::{OrCannot, Result};

/// A process that is inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inside {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// The processes whose root is this tree, as far as this user may examine them.
pub fn inside(tree: &Dir) -> Result<Vec<Inside>> {
    let stat = tree.stat()?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").or_cannot("list", "/proc")? {
        let entry = entry.or_cannot("list", "/proc")?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has ended meanwhile, or that belongs to another user, cannot be examined.
        let Ok(root) = fs::metadata(entry.path().join("root")) else { continue };
        if (root.dev(), root.ino()) == (stat.st_dev, stat.st_ino) {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(Inside { pid, name: name.trim_end().to_owned() });
        }
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

/// The processes for a message: `bash (process 812), make (process 900)`.
pub(crate) fn named(processes: &[Inside]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = processes
        .iter()
        .take(SHOWN)
        .map(|inside| format!("{} (process {})", inside.name, inside.pid))
        .collect();
    if processes.len() > SHOWN {
        names.push(format!("and {} more", processes.len() - SHOWN));
    }
    names.join(", ")
}
