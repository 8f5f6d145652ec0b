//! The init system of a root filesystem.

use system::dir::Dir;
use system::error::{Result, if_exists};
use system::resolve::Links;

/// The folders of systemd's programs, and the one that the kernel starts.
const FOLDERS: [&str; 2] = ["usr/lib/systemd", "lib/systemd"];
const PROGRAM: &str = "systemd";

/// Whether the tree starts with systemd.
pub fn has_systemd(tree: &Dir) -> Result<bool> {
    for folder in FOLDERS {
        if let Some(folder) = if_exists(tree.dir_with(folder, Links::InRoot))?
            && folder.has(PROGRAM)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn systemd_is_known_by_its_program_also_behind_a_link_of_the_tree() {
        let place = tempfile::tempdir().unwrap();
        let (top, tree) = (place.path(), Dir::open(place.path()).unwrap());
        fs::create_dir_all(top.join("usr/lib")).unwrap();
        assert!(!has_systemd(&tree).unwrap());
        // Packages put units there, whatever starts the tree.
        fs::create_dir_all(top.join("other/systemd/system")).unwrap();
        symlink("/other", top.join("lib")).unwrap();
        assert!(!has_systemd(&tree).unwrap());
        fs::write(top.join("other/systemd/systemd"), "").unwrap();
        assert!(has_systemd(&tree).unwrap());
    }
}
