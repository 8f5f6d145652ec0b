//! The packages that a database lists.

use std::collections::BTreeMap;
use std::path::Path;

use system::dir::{Dir, MOST_TEXT};
use system::error::Result;

/// The content of a package database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packages {
    /// The installed packages: names and versions.
    Names(BTreeMap<String, String>),
    /// The files with the packages, in a format that is not read here, and their sizes and times.
    Opaque(Vec<(String, i64, i64)>),
}

/// The files that hold all packages, in formats that are not read here.
const OPAQUE: [&str; 4] = ["rpmdb.sqlite", "Packages.db", "Packages", "pkgdb-0.38.plist"];

/// Reads the database of this name ([`Database::name`](super::databases::Database::name)) in the directory. `None` if the directory has no
/// list of packages.
pub fn read(database: &Dir, name: &str) -> Result<Option<Packages>> {
    let names = match name {
        "dpkg" | "opkg" => text(database, "status")?.map(|text| stanzas(&text)),
        "apk" => text(database, "installed")?.or(text(database, "db/installed")?).map(|text| apk(&text)),
        "pacman" => folders(database, "local")?.map(|found| without_fields(&found, 2)),
        "portage" => Some(portage(database)?),
        "pkgtools" => folders(database, "packages")?.map(|found| without_fields(&found, 3)),
        "pkgtools-packages" => folders(database, "")?.map(|found| without_fields(&found, 3)),
        _ => return opaque(database),
    };
    Ok(names.map(Packages::Names))
}

fn text(database: &Dir, name: &str) -> Result<Option<String>> {
    let bytes = database.read_if_exists(name, 4 * MOST_TEXT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The names in a folder of the database.
fn folders(database: &Dir, name: &str) -> Result<Option<Vec<String>>> {
    let found = if name.is_empty() { Some(database.duplicate()?) } else { database.dir_if_exists(name)? };
    let Some(folder) = found else { return Ok(None) };
    let names = folder.entries()?.into_iter().map(|entry| entry.name.to_string_lossy().into_owned());
    Ok(Some(names.collect()))
}

/// The installed packages of a file such as dpkg's `status`. It has an empty line after each package.
fn stanzas(text: &str) -> BTreeMap<String, String> {
    let mut packages = BTreeMap::new();
    let (mut name, mut version, mut is_installed) = ("", "", false);
    for line in text.lines().chain([""]) {
        match line.split_once(": ") {
            Some(("Package", value)) => name = value.trim(),
            Some(("Version", value)) => version = value.trim(),
            Some(("Status", value)) => is_installed = value.trim().ends_with(" installed"),
            None if line.trim().is_empty() => {
                if is_installed && !name.is_empty() {
                    packages.insert(name.to_owned(), version.to_owned());
                }
                (name, version, is_installed) = ("", "", false);
            }
            _ => {}
        }
    }
    packages
}

fn apk(text: &str) -> BTreeMap<String, String> {
    let (mut packages, mut name) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(found) = line.strip_prefix("P:") {
            found.clone_into(&mut name);
            packages.entry(name.clone()).or_default();
        } else if let Some(version) = line.strip_prefix("V:") {
            version.clone_into(packages.entry(name.clone()).or_default());
        } else if line.is_empty() {
            name.clear();
        }
    }
    packages.remove("");
    packages
}

/// Names such as `NAME-VERSION-RELEASE`, whose version has that number of fields.
fn without_fields(found: &[String], fields: usize) -> BTreeMap<String, String> {
    let split = |name: &String| {
        let package = name.rsplitn(fields + 1, '-').nth(fields)?;
        Some((package.to_owned(), name[package.len() + 1..].to_owned()))
    };
    found.iter().filter_map(split).collect()
}

/// The folders `CATEGORY/NAME-VERSION`. A version begins with a digit.
fn portage(database: &Dir) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    for category in database.entries()?.into_iter().filter(|entry| entry.is_dir == Some(true)) {
        let category = category.name.to_string_lossy().into_owned();
        for package in folders(database, &category)?.unwrap_or_default() {
            let is_version =
                |&(at, _): &(usize, &str)| package[at + 1..].starts_with(|c: char| c.is_ascii_digit());
            let end = package.match_indices('-').filter(is_version).map(|(at, _)| at).next();
            let (name, version) = package.split_at(end.unwrap_or(package.len()));
            names.insert(format!("{category}/{name}"), version.trim_start_matches('-').to_owned());
        }
    }
    Ok(names)
}

fn opaque(database: &Dir) -> Result<Option<Packages>> {
    let mut files = Vec::new();
    for name in OPAQUE {
        if let Some(stat) = database.stat_of(Path::new(name))? {
            files.push((name.to_owned(), stat.st_size, stat.st_mtime));
        }
    }
    Ok((!files.is_empty()).then_some(Packages::Opaque(files)))
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    fn names(name: &str, files: &[(&str, &str)]) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = place.path().join(path);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, content).unwrap();
        }
        match read(&Dir::open(place.path()).unwrap(), name).unwrap() {
            Some(Packages::Names(names)) => {
                names.iter().map(|(name, version)| format!("{name} {version}").trim().to_owned()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn packages_are_read_from_every_kind_of_database() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nDescription: x\n Package: no\n\nPackage: gone\nStatus: deinstall ok config-files\n\n\
                      Package: held\nStatus: hold ok installed\n";
        assert_eq!(names("dpkg", &[("status", status)]), ["a 1:2-3", "held"]);
        assert_eq!(names("opkg", &[("status", "Package: b\nStatus: install user installed\n")]), ["b"]);
        assert_eq!(names("apk", &[("installed", "C:x\nP:busybox\nV:1\n\nP:musl\n")]), ["busybox 1", "musl"]);
        assert_eq!(
            names("pacman", &[("local/gcc-libs-13.2-1/desc", ""), ("local/ALPM_DB_VERSION", "")]),
            ["gcc-libs 13.2-1"]
        );
        let portage = [("sys-apps/foo-bar-1.2-r3/PF", ""), ("app/x-9/PF", "")];
        assert_eq!(names("portage", &portage), ["app/x 9", "sys-apps/foo-bar 1.2-r3"]);
        assert_eq!(names("pkgtools", &[("packages/gtk+-3-1.0-x86_64-1", "")]), ["gtk+-3 1.0-x86_64-1"]);
    }

    #[test]
    fn a_database_in_another_format_is_told_by_its_files() {
        let place = tempfile::tempdir().unwrap();
        let database = Dir::open(place.path()).unwrap();
        assert_eq!(read(&database, "rpm").unwrap(), None);
        write(place.path().join("rpmdb.sqlite"), "one").unwrap();
        let one = read(&database, "rpm").unwrap();
        assert!(matches!(one, Some(Packages::Opaque(_))));
        write(place.path().join("rpmdb.sqlite"), "other").unwrap();
        assert_ne!(read(&database, "rpm").unwrap(), one);
    }
}
