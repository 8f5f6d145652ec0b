//! What Debian wants beside the programs of a package: the licences, a changelog, and what is not as it has it.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::control::{MAINTAINER, PACKAGES, Package, VERSION};
use crate::root;

/// Writes the documents of all packages into an installed tree.
pub fn add(tree: &Path, epoch: u64) -> Result<()> {
    let copyright = copyright()?;
    for package in &PACKAGES {
        let folder = tree.join("usr/share/doc").join(package.name);
        write(&folder.join("copyright"), &copyright)?;
        write(&folder.join("changelog.Debian"), &changelog(package, epoch)?)?;
        write(&folder.join("changelog"), &read("CHANGELOG.md")?)?;
        write(&tree.join("usr/share/lintian/overrides").join(package.name), &overrides(package))?;
    }
    Ok(())
}

fn overrides(package: &Package) -> String {
    let lines = package.overrides.iter().map(|(why, tag)| format!("{why}\n{}: {tag}\n", package.name));
    lines.collect()
}

fn changelog(package: &Package, epoch: u64) -> Result<String> {
    let moment = UNIX_EPOCH + Duration::from_secs(epoch);
    let text = system::utc::text(moment);
    // The format of mail, which `date` knows.
    let date = root::output(root::command("date").env("LC_ALL", "C").args([
        "--utc",
        "--rfc-email",
        "--date",
        &text,
    ]))?;
    let lines = [
        &format!("{} ({VERSION}) unstable; urgency=medium", package.name),
        "  * The changes are listed in changelog.gz.",
        &format!(" -- {MAINTAINER}  {}", date.trim()),
    ];
    Ok(lines.join("\n\n") + "\n")
}

/// The licences of the project, and of all libraries that are linked into the programs.
fn copyright() -> Result<String> {
    let mit = read("LICENSE-MIT")?;
    let (_, mit) = mit.split_once("\n\n").context("LICENSE-MIT has no line of the copyright")?;
    let (holder, mit) = mit.split_once("\n\n").context("LICENSE-MIT has no line of the copyright")?;
    let holder = holder.trim_start_matches("Copyright (c) ");
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: baserock\n\
         Comment:\n \
         The programs are linked statically with musl (MIT), the standard library of Rust\n \
         (MIT or Apache-2.0), and these libraries of Rust:\n\
         {}\n\
         Files: *\n\
         Copyright: {holder}\n\
         License: MIT or Apache-2.0\n\n\
         License: MIT\n{}\n\
         License: Apache-2.0\n \
         On Debian systems, the text of this license is in\n \
         /usr/share/common-licenses/Apache-2.0.\n",
        libraries()?,
        indented(mit),
    ))
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.trim().is_empty() { " .\n".to_owned() } else { format!(" {line}\n") };
    text.trim_end().lines().map(line).collect()
}

/// A line for each library that is linked into a program: name, version and licence.
fn libraries() -> Result<String> {
    let tree =
        ["--workspace", "--exclude", "xtask", "--exclude", "baserock-tests", "--exclude", "baserock-fuzz"];
    let shape = [
        "--edges",
        "normal,no-proc-macro",
        "--target",
        "x86_64-unknown-linux-musl",
        "--prefix",
        "none",
        "--format",
        "{p} ({l})",
    ];
    let listed = root::output(root::cargo("tree").args(tree).args(shape))?;
    // Those of the workspace name their folder, and repeated ones end with a mark.
    let lines = listed.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.contains(" (/"));
    let mut lines: Vec<_> = lines.filter(|line| !line.is_empty()).map(|line| format!(" {line}\n")).collect();
    lines.sort();
    lines.dedup();
    Ok(lines.concat())
}

fn read(name: &str) -> Result<String> {
    fs::read_to_string(root::path().join(name)).with_context(|| format!("cannot read {name}"))
}

fn write(to: &Path, text: &str) -> Result<()> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}
