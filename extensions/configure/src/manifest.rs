//! Manifests: lists of files to install, with their owners and permissions.

use std::path::PathBuf;

use baserock::extension::relative;
use nix::sys::stat::SFlag;

use crate::tree::Access;

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whether the source is a template, into which parameters are filled.
    pub template: bool,
    /// Whether an existing file is replaced. Otherwise it is an error.
    pub overwrite: bool,
    /// The kind of file.
    pub kind: Kind,
    /// Owner and permissions.
    pub access: Access,
    /// The path in the system, relative to its root. The source has the same path below the folder of the manifest.
    pub path: PathBuf,
}

/// The kinds of files that can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file, with the source's content.
    File,
    /// A folder. It needs no source.
    Folder,
    /// A symbolic link, with the source's target.
    Link,
}

/// Parses a manifest. Each line is `[template] [overwrite] MODE UID GID PATH`; `#` begins a comment. An error names the line.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let entries = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    entries.map(|(number, line)| entry(line).map_err(|reason| format!("line {number}: {reason}"))).collect()
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    let (template, line) = word(line, "template");
    let (overwrite, line) = word(line, "overwrite");
    let (mode, rest) = field(line)?;
    let (user, rest) = field(rest)?;
    let (group, path) = field(rest)?;
    let mode = u32::from_str_radix(mode, 8).map_err(|_| "the mode has to be octal, like 0100644")?;
    let number = |text: &str| text.parse().map_err(|_| "owner and group have to be numbers");
    let access = Access { mode: mode & 0o7777, user: number(user)?, group: number(group)? };
    let path =
        Some(path.trim()).filter(|path| path.starts_with('/')).ok_or("the path has to start with /")?;
    let path = relative(path.as_ref()).ok_or("the path must not contain ..")?;
    if path.as_os_str().is_empty() {
        return Err("the path is that of the whole system");
    }
    let kind = kind(mode)?;
    if template && kind != Kind::File {
        return Err("only a file can be a template");
    }
    Ok(Entry { template, overwrite, kind, access, path })
}

/// Whether the line begins with the word, and the line without it.
fn word<'a>(line: &'a str, word: &str) -> (bool, &'a str) {
    match line.strip_prefix(word).filter(|rest| rest.starts_with([' ', '\t'])) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, line),
    }
}

fn field(line: &str) -> Result<(&str, &str), &'static str> {
    line.trim_start().split_once([' ', '\t']).ok_or("write [template] [overwrite] MODE UID GID PATH")
}

fn kind(mode: u32) -> Result<Kind, &'static str> {
    match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Ok(Kind::File),
        SFlag::S_IFDIR => Ok(Kind::Folder),
        SFlag::S_IFLNK => Ok(Kind::Link),
        _ => Err("the mode has to begin with the kind: 0100 for a file, 0040 for a folder, 0120 for a link"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_entries() {
        let text = "# files\n\n0040755 0 0 /etc/my dir\ntemplate  overwrite 0104755 33 44 /usr/bin/x\n0120000\t0 0 /usr/bin/y\n";
        let entries = parse(text).unwrap();
        let access = |mode, user, group| Access { mode, user, group };
        let expected = [
            (false, Kind::Folder, access(0o755, 0, 0), "etc/my dir"),
            (true, Kind::File, access(0o4755, 33, 44), "usr/bin/x"),
            (false, Kind::Link, access(0, 0, 0), "usr/bin/y"),
        ];
        let expected = expected.map(|(overwrite, kind, access, path)| Entry {
            template: overwrite,
            overwrite,
            kind,
            access,
            path: path.into(),
        });
        assert_eq!(entries, expected);
    }

    #[test]
    fn bad_lines_are_named() {
        for (line, why) in [
            ("0100644 0 0", "write [template] [overwrite]"),
            ("0100649 0 0 /a", "octal"),
            ("0100644 root 0 /a", "numbers"),
            ("0100644 0 0 a", "start with /"),
            ("0100644 0 0 /a/../b", ".."),
            ("0040755 0 0 /", "whole system"),
            ("0644 0 0 /a", "begin with the kind"),
            ("0060644 0 0 /dev/a", "begin with the kind"),
            ("template 0040755 0 0 /a", "only a file"),
            ("overwrite", "write [template] [overwrite]"),
        ] {
            let error = parse(&format!("# one\n{line}\n")).unwrap_err();
            assert!(error.starts_with("line 2: ") && error.contains(why), "{line}: {error}");
        }
    }
}
