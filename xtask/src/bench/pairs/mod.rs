//! Compares the bytes that a push sends with those of rsync, for many pairs of trees.

mod inputs;
mod weigh;

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{packages, root};
use inputs::{Pair, pairs};
use weigh::{Root, Way, changed, weigh};

/// The ways of pushing, in the order of the columns.
const WAYS: [Way; 4] = [
    Way { has_base: true, has_forms: false },
    Way { has_base: true, has_forms: true },
    Way { has_base: false, has_forms: false },
    Way { has_base: false, has_forms: true },
];
/// Forms may cost so much more than none, for any pair.
const MOST: f64 = 1.01;

const HEAD: &str = "| from, to | changed | `rsync -z` | with the old tree: as they are | in forms | without: as they are | in forms |\n\
     |---|---|---|---|---|---|---|\n";

/// Prints a table of all pairs with this in the names of their folders: MB, and in brackets ratios to `rsync -z`.
pub fn run(wanted: &str) -> Result<()> {
    packages::ensure(&[packages::INPUTS, &["binutils", "rsync", "zstd"]])?;
    let pairs = pairs(wanted)?;
    print!("{HEAD}");
    let (mut table, mut worse) = (HEAD.to_owned(), Vec::new());
    for pair in &pairs {
        let (row, is_worse) = row(pair)?;
        // A pair takes a minute, so each is shown at once.
        println!("{row}");
        writeln!(table, "{row}")?;
        worse.extend(is_worse.then_some(pair.name));
    }
    let place = root::target().join("bench");
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("pairs.md"), table)?;
    ensure!(worse.is_empty(), "forms cost more than none for {}", worse.join(", "));
    Ok(())
}

/// The row of a pair, and whether forms cost more than they may.
fn row(pair: &Pair) -> Result<(String, bool)> {
    let (old, new) = (Root::read(&pair.old)?, Root::read(&pair.new)?);
    let peer = megabytes(rsync(pair)?);
    let mut row = format!("| {} | {:.1} | {peer:.1} |", pair.name, megabytes(changed(&old, &new)));
    let mut ours = Vec::new();
    for way in WAYS {
        let bytes = megabytes(weigh(&old, &new, way)?);
        write!(row, " {bytes:.1} ({:.2}) |", bytes / peer)?;
        ours.push(bytes);
    }
    let is_worse = ours.chunks_exact(2).any(|ways| ways[1] > ways[0] * MOST);
    Ok((row, is_worse))
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}

/// The bytes that `rsync -z` sends and receives. The other side is a process of this machine: `env` takes the host's name for a variable.
fn rsync(pair: &Pair) -> Result<u64> {
    let place = tempfile::tempdir_in(root::target())?;
    let copy = place.path().join("old");
    std::fs::create_dir(&copy)?;
    // The content is copied, not the folder: if that were a link to a tree, rsync would change the tree.
    root::run(Command::new("cp").arg("-a").arg(pair.old.join(".")).arg(&copy))?;
    let mut rsync = Command::new("rsync");
    rsync.args(["-asz", "--checksum", "--numeric-ids", "--delete", "--stats", "-e", "env"]);
    let target = format!("HOST=here:{}/", copy.display());
    let output = rsync.arg(pair.new.join("")).arg(target).env("LC_ALL", "C").output()?;
    ensure!(output.status.success(), "rsync failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = |what: &str| -> Result<u64> {
        let line =
            text.lines().find_map(|line| line.strip_prefix(what)).context("rsync tells no statistics")?;
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        Ok(digits.parse()?)
    };
    Ok(count("Total bytes sent:")? + count("Total bytes received:")?)
}
