//! Which file of an installed tree belongs to which package.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::control::{BASEROCK, DEPLOY};

/// The first line that a path fits tells its package. `*` stands for any characters.
const TABLE: [(&str, &str); 20] = [
    ("usr/lib/systemd/*", BASEROCK),
    ("usr/lib/baserock/init.d/*", BASEROCK),
    ("usr/lib/baserock/extensions/*", DEPLOY),
    ("usr/share/doc/baserock/*", BASEROCK),
    ("usr/share/doc/baserock-deploy/*", DEPLOY),
    ("usr/share/lintian/overrides/baserock", BASEROCK),
    ("usr/share/lintian/overrides/baserock-deploy", DEPLOY),
    ("*/system-version-manager*", BASEROCK),
    ("*/_system-version-manager", BASEROCK),
    ("*/baserock-system-config-sync*", BASEROCK),
    ("*/_baserock-system-config-sync", BASEROCK),
    ("*/enter-baserock*", BASEROCK),
    ("*/_enter-baserock", BASEROCK),
    ("*/manage-baserock*", BASEROCK),
    ("*/_manage-baserock", BASEROCK),
    ("*/baserock-publish*", DEPLOY),
    ("*/_baserock-publish", DEPLOY),
    ("*/morph*", DEPLOY),
    ("*/_morph", DEPLOY),
    // Links to extensions, scripts, and their pages.
    ("*/*.*", DEPLOY),
];

/// A file or link of the tree.
pub struct Entry {
    /// Where it is.
    pub file: PathBuf,
    /// Its path in the tree, and in the package.
    pub place: PathBuf,
}

/// What belongs to a package.
pub fn of(tree: &Path, package: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in walk(tree)? {
        let path = file.strip_prefix(tree)?;
        if owner(path)? == package {
            entries.push(Entry { place: path.to_owned(), file });
        }
    }
    Ok(entries)
}

fn owner(path: &Path) -> Result<&'static str> {
    let text = path.to_string_lossy();
    let found = TABLE.iter().find(|(pattern, _)| fits(&text, pattern)).map(|(_, package)| *package);
    found.with_context(|| format!("{text} belongs to no package; add it to the table of the packages"))
}

fn fits(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| fits(rest, after))
        }),
    }
}

/// All files and links below a folder, in the order of their names.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in crate::root::list(folder)? {
        let metadata =
            fs::symlink_metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            found.extend(walk(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_package() {
        for (path, package) in [
            ("usr/bin/enter-baserock", BASEROCK),
            ("usr/lib/systemd/system/multi-user.target.wants/baserock-finish.service", BASEROCK),
            ("usr/share/man/man8/system-version-manager-list.8", BASEROCK),
            ("usr/bin/rawdisk.write", DEPLOY),
            ("usr/lib/baserock/extensions/agents/aarch64/system-version-manager", DEPLOY),
            ("usr/share/man/man1/morph-build.1", DEPLOY),
            ("usr/share/man/man8/cycle.sh.8", DEPLOY),
            ("usr/share/zsh/vendor-completions/_morph", DEPLOY),
        ] {
            assert_eq!(owner(Path::new(path)).unwrap(), package, "{path}");
        }
        let error = owner(Path::new("usr/bin/other")).unwrap_err().to_string();
        assert!(error.starts_with("usr/bin/other belongs to no package"), "{error}");
    }
}
