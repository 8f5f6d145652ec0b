//! Documents: every link leads somewhere, every path that is named is there, and README.md names every package.

use std::collections::BTreeSet;

/// The folders whose paths documents name.
const FOLDERS: [&str; 7] = ["crates/", "bins/", "extensions/", "xtask/", "tests/", "docs/", "ansible/"];

/// Documents about repositories of definitions, whose paths they name.
const OF_OTHERS: [&str; 2] = ["docs/morph.md", "tests/definitions/README.md"];

/// All files of the project, and what is in the documents.
pub struct Documents<'a> {
    /// The paths of all files that git knows.
    pub files: &'a BTreeSet<String>,
    /// The path and the text of each document.
    pub texts: &'a [(String, String)],
}

impl Documents<'_> {
    /// Checks all documents.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (document, text) in self.texts {
            for (number, line) in prose(text) {
                let links = links(line).filter_map(|link| self.link_fault(document, link));
                faults.extend(links.map(|fault| format!("{document}:{number}: {fault}")));
            }
            let own = if OF_OTHERS.contains(&document.as_str()) { "" } else { text };
            for (number, line) in own.lines().enumerate() {
                for path in paths(line).filter(|path| !self.exists(path)) {
                    faults.push(format!("{document}:{}: names {path}, which does not exist", number + 1));
                }
            }
        }
        faults
    }

    /// Each package that the text of README.md does not name.
    pub fn check_map(&self, readme: &str) -> Vec<String> {
        let in_packages =
            self.files.iter().filter(|file| FOLDERS[..3].iter().any(|top| file.starts_with(top)));
        let packages: BTreeSet<_> = in_packages
            .filter_map(|file| file.match_indices('/').nth(1).map(|(end, _)| &file[..end]))
            .collect();
        let unnamed = packages.into_iter().filter(|package| !readme.contains(*package));
        unnamed.map(|package| format!("README.md: the map of the code does not name {package}")).collect()
    }

    /// Whether it is a file, or a folder with files.
    fn exists(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains(path)
            || self.files.range(folder.clone()..).next().is_some_and(|file| file.starts_with(&folder))
    }

    fn link_fault(&self, document: &str, link: &str) -> Option<String> {
        if link.contains("://") || link.starts_with("mailto:") {
            return None;
        }
        let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
        let target = if path.is_empty() { document.to_owned() } else { resolved(document, path) };
        if !self.exists(&target) {
            return Some(format!("the link to {link} leads nowhere"));
        }
        let anchor = anchor?;
        let text = self.texts.iter().find(|(name, _)| *name == target).map(|(_, text)| text.as_str());
        let has_heading = headings(text.unwrap_or_default()).any(|heading| heading == anchor);
        (!has_heading).then(|| format!("the link to {link} leads to no heading of {target}"))
    }
}

/// The lines outside fenced blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    let lines = text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    });
    lines.map(|(number, line)| (number + 1, line))
}

/// The targets of a line's links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The paths of the project that a line names. A name in capitals stands for any.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || "/._-*{}<>".contains(c));
    let words = line.split(is_end).map(|word| word.trim_end_matches('.'));
    words.filter(|word| {
        let is_placeholder = |part: &str| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase());
        FOLDERS.iter().any(|folder| word.len() > folder.len() && word.starts_with(folder))
            && !word.contains(['*', '{', '<'])
            && !word.split(['/', '.']).any(|part| is_placeholder(part) && part != "README")
    })
}

/// A path that stands in a document, from the top of the project.
fn resolved(document: &str, path: &str) -> String {
    let mut parts: Vec<_> = document.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors of a document's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter_map(|(_, line)| {
        let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
        let kept = title.to_lowercase().replace(' ', "-");
        Some(kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(document: &str, text: &str) -> Vec<String> {
        let files = ["README.md", "docs/a.md", "docs/b.md", "crates/b/src/lib.rs"].map(str::to_owned).into();
        let texts =
            [(document.to_owned(), text.to_owned()), ("docs/a.md".to_owned(), "# The `way` in\n".to_owned())];
        Documents { files: &files, texts: &texts }.check()
    }

    #[test]
    fn links_that_lead_somewhere() {
        let text =
            "[a](docs/a.md) [a](docs/a.md#the-way-in) [b](crates/b) [c](https://x.org/y)\n```\n[x](y)\n```\n";
        assert_eq!(faults("README.md", text), [""; 0]);
        assert_eq!(faults("docs/b.md", "# In\n[a](../README.md) [a](#in) [b](a.md)"), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere() {
        assert_eq!(faults("README.md", "\n[a](a.md)"), ["README.md:2: the link to a.md leads nowhere"]);
        let expected = ["README.md:1: the link to docs/a.md#out leads to no heading of docs/a.md"];
        assert_eq!(faults("README.md", "[a](docs/a.md#out)"), expected);
    }

    #[test]
    fn paths_are_there() {
        assert_eq!(
            faults("README.md", "`crates/b/src/` crates/b/src/lib.rs, crates/NAME, crates/*."),
            [""; 0]
        );
        assert_eq!(
            faults("README.md", "see crates/c."),
            ["README.md:1: names crates/c, which does not exist"]
        );
    }

    #[test]
    fn the_map_names_every_package() {
        let files = ["crates/b/src/lib.rs", "bins/c/src/main.rs"].map(str::to_owned).into();
        let documents = Documents { files: &files, texts: &[] };
        assert_eq!(documents.check_map("crates/b"), ["README.md: the map of the code does not name bins/c"]);
    }
}
