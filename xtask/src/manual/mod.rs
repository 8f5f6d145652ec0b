//! The man pages.
//!
//! What the arguments of a program or the help of an extension say is said there only. A file `manual.txt` beside them adds sections:
//! `bins/manual.txt` to all programs, `bins/NAME/manual.txt` to one, `extensions/manual.txt` to all extensions. Beside a script that is no
//! extension, it is the whole page.

mod command;
mod extension;
mod prose;
mod synopsis;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use baserock_terminal::help;
use clap_mangen::roff::Roff;

use crate::extension as extensions;
use crate::{build, epoch, interface, root};
use prose::Section;

/// A man page.
#[derive(Debug)]
pub struct Page {
    /// The name of what it describes.
    pub name: String,
    /// The section of the manual.
    pub section: &'static str,
    /// The page.
    pub text: String,
    /// More names under which it is found.
    pub also: Vec<String>,
}

/// The section for what only root uses.
const FOR_ROOT: &str = "8";
/// The sections that a page may have beside those from arguments and help, in their order.
const ORDER: [&str; 5] = ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"];

/// All pages.
pub fn pages() -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    let shared = sections(&root::path().join("bins/manual.txt"))?;
    for interface in interface::all() {
        let own = root::path().join("bins").join(interface.command.get_name()).join("manual.txt");
        pages.extend(command::pages(&interface, &shared, &sections(&own)?)?);
    }
    let shared = sections(&root::path().join("extensions/manual.txt"))?;
    let programs: Vec<_> = build::names()?.iter().filter_map(extensions::installed_name).collect();
    for file in extensions::files()? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".help") {
            let stem = name.strip_suffix(".write");
            let looks = stem.iter().flat_map(|stem| ["check", "status"].map(|kind| format!("{stem}.{kind}")));
            let beside = looks.filter(|name| programs.contains(name)).collect();
            let help = help::of(&file.with_extension(""))?.unwrap_or_default();
            pages.push(extension::page_of(name, beside, &help, &shared)?);
        } else if let Some(name) = script(&file, &name) {
            pages.push(Page { text: page(name, FOR_ROOT, "", sections(&file)?)?, ..Page::empty(name) });
        }
    }
    Ok(pages)
}

impl Page {
    fn empty(name: &str) -> Page {
        Page { name: name.to_owned(), section: FOR_ROOT, text: String::new(), also: Vec::new() }
    }
}

/// The script that a page beside it describes.
fn script<'a>(file: &Path, name: &'a str) -> Option<&'a str> {
    let name = name.strip_suffix(".manual.txt")?;
    file.with_file_name(name).exists().then_some(name)
}

/// A page: its title, what is made already, and sections in their order. Sections of the same heading become one.
fn page(name: &str, section: &str, made: &str, sections: Vec<Section>) -> Result<String> {
    let mut merged: Vec<Section> = Vec::new();
    for section in sections.into_iter().filter(|section| !section.blocks.is_empty()) {
        match merged.iter_mut().find(|known| known.heading == section.heading) {
            Some(known) => known.blocks.extend(section.blocks),
            None => merged.push(section),
        }
    }
    merged.sort_by_key(|section| {
        ORDER.iter().position(|heading| *heading == section.heading).map_or(0, |n| n + 1)
    });
    let mut roff = Roff::new();
    let source = concat!("Baserock ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", [&name.to_uppercase(), section, &epoch::day()?, source, "Baserock"]);
    let title = roff.render();
    let mut roff = Roff::new();
    prose::render(&mut roff, &merged);
    // Every part begins with the same definition, which is needed once.
    let preamble = Roff::new().render();
    let rest = [made, &roff.render()].concat().replace(&preamble, "");
    Ok(title + &rest)
}

fn sections(file: &Path) -> Result<Vec<Section>> {
    Ok(prose::sections(&read(file)?))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The file of a page below a folder of the manual: `man8/rawdisk.write.8`.
pub fn place(name: &str, section: &str) -> PathBuf {
    Path::new(&format!("man{section}")).join(format!("{name}.{section}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_page_has_its_sections() {
        let pages = pages().unwrap();
        let commands: Vec<_> =
            interface::all().iter().map(|it| format!("{}-", it.command.get_name())).collect();
        for page in &pages {
            let is_of_subcommand = commands.iter().any(|prefix| page.name.starts_with(prefix));
            let more = ["ENVIRONMENT", "FILES", "EXAMPLES"];
            let more = if is_of_subcommand { &[][..] } else { &more };
            for heading in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"].iter().chain(more) {
                let line = if heading.contains(' ') {
                    format!(".SH \"{heading}\"")
                } else {
                    format!(".SH {heading}")
                };
                let count = page.text.lines().filter(|found| *found == line).count();
                assert_eq!(count, 1, "{heading} in {}:\n{}", page.name, page.text);
            }
        }
        for (name, section) in
            [("morph", "1"), ("system-version-manager", "8"), ("rawdisk.write", "8"), ("cycle.sh", "8")]
        {
            assert!(pages.iter().any(|page| page.name == name && page.section == section), "{name}");
        }
        let also: Vec<_> = pages.iter().flat_map(|page| &page.also).collect();
        assert_eq!(
            also,
            [
                "publish.check",
                "rawdisk.check",
                "rawdisk.status",
                "ssh-rsync.check",
                "ssh-rsync.status",
                "tar.check"
            ]
        );
    }

    #[test]
    fn what_reads_man_pages_finds_no_fault_in_them() {
        let place = tempfile::tempdir().unwrap();
        let mut faults = Vec::new();
        for page in pages().unwrap() {
            let file = place.path().join(format!("{}.{}", page.name, page.section));
            fs::write(&file, &page.text).unwrap();
            for (reader, arguments) in [
                (
                    "man",
                    &["--warnings", "--local-file", "--encoding=UTF-8", "--troff-device=utf8", "--ditroff"][..],
                ),
                ("mandoc", &["-T", "lint", "-W", "warning"]),
            ] {
                let output = Command::new(reader).args(arguments).arg(&file).output();
                let output = output
                    .unwrap_or_else(|error| panic!("{reader} (Debian packages man-db, mandoc): {error}"));
                let said =
                    if reader == "man" { output.stderr } else { [output.stdout, output.stderr].concat() };
                let said = String::from_utf8_lossy(&said);
                if !output.status.success() || !said.is_empty() {
                    faults.push(format!("{reader}: {} {said}", output.status));
                }
            }
        }
        assert_eq!(faults, [""; 0]);
    }
}
