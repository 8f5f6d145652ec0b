//! `cargo xtask tidy`: the rules of the code, checked instead of remembered.

mod changes;
mod circles;
mod dependencies;
mod documents;
mod floors;
mod house;
mod names;
mod sizes;
mod table;
mod words;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::{root, suites};
use documents::Documents;
use house::House;

/// The file with the words that are looked for.
const WORDS: &str = "xtask/src/tidy/words.rs";

/// Checks everything.
pub fn run() -> Result<()> {
    let files = files()?;
    let sources = read(&files, ".rs")?;
    let mut faults: Vec<_> =
        sources.iter().filter_map(|(file, text)| sizes::check_file(file, text)).collect();
    faults.extend(sizes::check_crates(&sources));
    let worded = sources.iter().filter(|(file, _)| file != WORDS);
    faults.extend(worded.flat_map(|(file, text)| words::check(file, text)));

    let house = House::read()?;
    let floors = table::read(&text(table::DOCUMENT)?)?;
    let exists = |place: &str| root::path().join(place).exists();
    faults.extend(floors::check(&house, &floors, exists));
    faults.extend(circles::check(&house));
    faults.extend(changes::check(&house));

    let documents = Documents { files: &files, texts: &read(&files, ".md")? };
    faults.extend(documents.check());
    faults.extend(documents.check_map(&text("README.md")?));
    faults.extend(suites::check().err().map(|error| format!("{error:#}")));
    faults.extend(dependencies::check(&text(dependencies::ALLOWED)?)?);
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\n{} places break the rules of the code", faults.join("\n"), faults.len())
}

/// All files that git knows, or would add.
fn files() -> Result<BTreeSet<String>> {
    let listed = root::output(root::command("git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let files = listed.split('\0').filter(|file| root::path().join(file).is_file());
    Ok(files.map(str::to_owned).collect())
}

/// The files whose names end so, and their texts.
fn read(files: &BTreeSet<String>, end: &str) -> Result<Vec<(String, String)>> {
    files.iter().filter(|file| file.ends_with(end)).map(|file| Ok((file.clone(), text(file)?))).collect()
}

fn text(file: &str) -> Result<String> {
    fs::read_to_string(root::path().join(file)).with_context(|| format!("cannot read {file}"))
}
