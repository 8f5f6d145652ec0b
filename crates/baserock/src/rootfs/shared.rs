//! The places in a tree where the shared directories belong.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use system::dir::Dir;
use system::error::{Error, Result};
use system::inode::is_link;

use crate::layout::SHARED;

/// The kernel's limit for links in one path.
const MOST_LINKS: u32 = 40;

/// A shared directory, and its place in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Its name ([`SHARED`]).
    pub name: &'static str,
    /// The path from the root at which it is mounted. It differs from the name if the tree has a link there.
    pub place: PathBuf,
}

impl Shared {
    /// The shared directory whose place is its name.
    pub fn plain(name: &'static str) -> Self {
        Shared { name, place: name.into() }
    }
}

/// The shared directories that a version of this tree mounts, in the order in which fstab mounts them.
///
/// Some systems have `/home` as a link to `var/home`. The shared directory then belongs there, and is mounted after the one that holds it.
/// A link that leads to no other shared directory makes the place a part of the version, so nothing is mounted there. Fails if the tree has
/// anything else there.
pub fn shared_of(tree: &Dir) -> Result<Vec<Shared>> {
    let (mut plain, mut linked) = (Vec::new(), Vec::<Shared>::new());
    for name in SHARED {
        match tree.stat_of(name)?.map(|stat| stat.st_mode & libc::S_IFMT) {
            None | Some(libc::S_IFDIR) => plain.push(Shared::plain(name)),
            Some(libc::S_IFLNK) => linked.extend(led_to(tree, name)?.map(|place| Shared { name, place })),
            Some(_) => return Err(no_directory(tree, Path::new(name))),
        }
    }
    for place in linked.iter().flat_map(|shared| shared.place.ancestors()) {
        let found = tree.stat_beneath(place)?.map(|stat| stat.st_mode & libc::S_IFMT);
        if found.is_some_and(|kind| kind != libc::S_IFDIR) {
            return Err(no_directory(tree, place));
        }
    }
    // A directory comes before those below it.
    linked.sort_by(|one, other| one.place.cmp(&other.place));
    linked.dedup_by(|one, other| one.place == other.place);
    plain.extend(linked);
    Ok(plain)
}

fn no_directory(tree: &Dir, place: &Path) -> Error {
    Error::refused(format!(
        "{} is no directory, so the directory that all versions share cannot be mounted there; make it one",
        tree.shown(place).display()
    ))
}

/// The path below another shared directory to which the link `name` leads, whether that path exists or not; `None` if it leads elsewhere.
fn led_to(tree: &Dir, name: &str) -> Result<Option<PathBuf>> {
    let mut path = PathBuf::new();
    let mut rest = vec![OsString::from(name)];
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == ".." {
            path.pop();
            continue;
        }
        let here = path.join(&part);
        if !tree.stat_beneath(&here)?.is_some_and(|stat| is_link(&stat)) {
            path = here;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Ok(None);
        }
        let target = tree.read_link(&here)?;
        if target.is_absolute() {
            path.clear();
        }
        let steps = target.components().rev();
        let steps = steps.filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
        rest.extend(steps.map(|step| step.as_os_str().to_owned()));
    }
    Ok(Some(path).filter(|path| is_below_shared(path) && is_plain(path)))
}

fn is_below_shared(path: &Path) -> bool {
    SHARED.iter().any(|name| path.starts_with(name) && path != Path::new(name))
}

/// Whether fstab needs no escapes for the path.
fn is_plain(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.chars().all(|c| c.is_ascii_graphic() && c != '\\'))
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    use super::*;

    /// The places of a tree with these links.
    fn places(links: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let place = tempfile::tempdir().unwrap();
        for dir in ["var/home", "usr/local"] {
            create_dir_all(place.path().join(dir)).unwrap();
        }
        for (name, target) in links {
            symlink(target, place.path().join(name)).unwrap();
        }
        let shared = shared_of(&Dir::open(place.path()).unwrap()).unwrap();
        shared.into_iter().map(|shared| (shared.name, shared.place.display().to_string())).collect()
    }

    fn place_of(name: &str, links: &[(&str, &str)]) -> Option<String> {
        places(links).into_iter().find(|(found, _)| *found == name).map(|(_, place)| place)
    }

    #[test]
    fn a_directory_is_its_own_place() {
        let names: Vec<_> = places(&[]).into_iter().map(|(_, place)| place).collect();
        assert_eq!(names, SHARED);
    }

    #[test]
    fn links_into_another_shared_directory_are_followed_and_come_last() {
        let links =
            [("home", "var/home"), ("root", "/var/roothome"), ("opt", "var/srv/opt"), ("srv", "var/srv")];
        let places: Vec<_> = places(&links).into_iter().map(|(_, place)| place).collect();
        assert_eq!(places, ["var", "var/home", "var/roothome", "var/srv", "var/srv/opt"]);
    }

    #[test]
    fn links_over_links_are_followed() {
        for links in [
            [("home", "users"), ("users", "var/home")],
            [("home", "/data/home"), ("data", "../../var")],
            [("home", "./usr/../var//home/"), ("usr/x", "y")],
        ] {
            assert_eq!(place_of("home", &links).as_deref(), Some("var/home"), "{links:?}");
        }
    }

    #[test]
    fn a_link_that_leads_elsewhere_makes_the_place_the_versions_own() {
        for target in ["usr/home", "home", "/", "srv", "../..", "var/../usr", "var/a b"] {
            assert_eq!(place_of("home", &[("home", target)]), None, "{target}");
        }
        let both = [("home", "var/data"), ("srv", "var/data")];
        assert_eq!(places(&both).iter().filter(|(_, place)| place == "var/data").count(), 1);
    }

    #[test]
    fn anything_else_is_refused() {
        let place = tempfile::tempdir().unwrap();
        write(place.path().join("opt"), "").unwrap();
        let tree = || Dir::open(place.path()).unwrap().shown_as("/systems/devel/orig");
        let error = shared_of(&tree()).unwrap_err().to_string();
        assert!(error.starts_with("/systems/devel/orig/opt is no directory"), "{error}");
        std::fs::remove_file(place.path().join("opt")).unwrap();
        create_dir_all(place.path().join("var")).unwrap();
        write(place.path().join("var/opt"), "").unwrap();
        symlink("var/opt", place.path().join("opt")).unwrap();
        let error = shared_of(&tree()).unwrap_err().to_string();
        assert!(error.starts_with("/systems/devel/orig/var/opt is no directory"), "{error}");
    }
}
