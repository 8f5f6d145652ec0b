//! `diff`: what differs between two versions, or was changed in one.

use std::collections::BTreeSet;
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use baserock::ExistingLabel;
use baserock::etc::git;
use baserock::operations::diff::{self, Change, Changed, Diff};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, color, harmless, page};

use crate::words::tamed;

/// Show what differs between two versions: packages, names, and /etc as git diff does
///
/// Names and contents are those of the trees as they were built; packages and /etc are compared as they are now. A name that was added has an A
/// before it, one that was removed a D, one that was changed an M; of a directory that was added or removed only its own name is shown.
///
/// With --edits, it is what people changed in one version since it was built, /etc included.
#[derive(Debug, clap::Args)]
pub struct ShowDiff {
    /// The version before; with --edits, the version [default: the running one, else the default]
    #[arg(value_name = "A", required_unless_present = "edits")]
    from: Option<ExistingLabel>,
    /// The version after [default: the running one, else the default]
    #[arg(value_name = "B", conflicts_with = "edits")]
    to: Option<ExistingLabel>,
    /// Show what people have changed in the version since it was built
    #[arg(long)]
    edits: bool,
    /// Show numbers, and the names of changed files in /etc
    #[arg(long)]
    stat: bool,
}

impl ShowDiff {
    /// Prints the difference.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let current = || -> Result<ExistingLabel> {
            let running = volume.running().cloned();
            let found = running.map_or_else(|| volume.default(), |running| Ok(Some(running)))?;
            found.ok_or_else(|| anyhow!("no version runs, and none is the default; name the version"))
        };
        let or_current = |label: &Option<ExistingLabel>| label.clone().map_or_else(current, Ok);
        let found = if self.edits {
            diff::edits(volume, &or_current(&self.from)?)?
        } else {
            let (from, to) = (or_current(&self.from)?, or_current(&self.to)?);
            diff::versions(volume, &from, &to, &Show::new(Output::Errors))?
        };
        let text = if self.stat { numbers(&found) } else { everything(&found) };
        let text = if stdout().is_terminal() { tamed(&text) } else { text };
        let text = if color::is_wanted(&stdout()) { colored(&text) } else { text };
        page(&text)
    }
}

fn everything(found: &Diff) -> Vec<u8> {
    let mut text = Vec::new();
    for (kind, changed) in &found.packages {
        match changed {
            Changed::Unknown => text.extend(format!("packages of {kind}: changed\n").bytes()),
            Changed::Packages(changes) => {
                text.extend(format!("packages of {kind}:\n").bytes());
                text.extend(changes.iter().flat_map(|change| package(change).into_bytes()));
            }
        }
    }
    let names = &found.names;
    let letters = [(&names.added, 'A'), (&names.removed, 'D'), (&names.changed, 'M')];
    let mut lines: Vec<(&PathBuf, char)> = Vec::new();
    for (paths, letter) in letters {
        let is_inside = |path: &PathBuf| letter != 'M' && is_inside(path, paths);
        lines.extend(paths.iter().filter(|path| !is_inside(path)).map(|path| (path, letter)));
    }
    lines.sort();
    for (path, letter) in lines {
        text.extend(format!("{letter} /{}\n", harmless(&path.display().to_string())).bytes());
    }
    text.extend(found.etc.iter().flat_map(|(_, difference)| difference));
    text
}

/// Whether the directory of the path is one of the paths.
fn is_inside(path: &std::path::Path, paths: &BTreeSet<PathBuf>) -> bool {
    path.parent().is_some_and(|parent| paths.contains(parent))
}

fn package(change: &Change) -> String {
    let Change { name, before, after } = change;
    let text = match (before, after) {
        (Some(before), Some(after)) => format!("  {name} {before} → {after}"),
        (None, Some(after)) => format!("+ {name} {after}"),
        (Some(before), None) => format!("- {name} {before}"),
        (None, None) => name.clone(),
    };
    format!("{}\n", text.trim_end())
}

fn numbers(found: &Diff) -> Vec<u8> {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    for (kind, changed) in &found.packages {
        let Changed::Packages(changes) = changed else {
            line(format!("packages of {kind}: changed"));
            continue;
        };
        let count = |is: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
        let (added, removed) =
            (count(&|change| change.before.is_none()), count(&|change| change.after.is_none()));
        let changed = changes.len() - added - removed;
        line(format!("packages of {kind}: {added} added, {removed} removed, {changed} changed"));
    }
    let names = &found.names;
    line(format!(
        "names: {} added, {} removed, {} changed",
        names.added.len(),
        names.removed.len(),
        names.changed.len()
    ));
    let width = found.etc.iter().map(|(path, _)| path.to_string().chars().count()).max().unwrap_or(0);
    for (path, difference) in &found.etc {
        let lines = git::count(difference).map(|(added, removed)| format!("+{added} -{removed}"));
        line(format!("/etc/{:width$} | {}", path.to_string(), lines.as_deref().unwrap_or("binary")));
    }
    line(format!("/etc: {} paths", found.etc.len()));
    text.into_bytes()
}

/// The text with colours by what its lines mean: green is new, red is gone.
fn colored(text: &[u8]) -> Vec<u8> {
    let mut colored = Vec::with_capacity(text.len() * 2);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let color: &[u8] = match line {
            [b'+' | b'A', b' ', ..] | [b'+', ..] => b"\x1b[32m",
            [b'-' | b'D', b' ', ..] | [b'-', ..] => b"\x1b[31m",
            [b'@', b'@', ..] => b"\x1b[36m",
            line if line.starts_with(b"diff --git ") => b"\x1b[1m",
            _ => b"",
        };
        colored.extend([color, line, if color.is_empty() { b"" } else { b"\x1b[m" }, b"\n"].concat());
    }
    colored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_colored_by_what_they_mean() {
        let text = b"diff --git a b\n@@ -1 +1 @@\n-a\n+b\n c\nM /usr\nA /bin\n";
        let shown = String::from_utf8(colored(text)).unwrap().replace('\x1b', "^");
        assert_eq!(
            shown,
            "^[1mdiff --git a b^[m\n^[36m@@ -1 +1 @@^[m\n^[31m-a^[m\n^[32m+b^[m\n c\nM /usr\n^[32mA /bin^[m\n"
        );
    }
}
