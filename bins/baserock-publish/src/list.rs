//! `list`: shows what a repository has.

use std::path::PathBuf;

use anyhow::Result;
use baserock::json;
use baserock_terminal::{print, table};
use repository::index::{Index, Published, moment};
use repository::publish::read_index;
use system::utc;

/// Show the versions, the oldest first, and which channels offer them
#[derive(Debug, clap::Args)]
pub struct List {
    /// The folder of the repository
    #[arg(value_name = "REPO")]
    repository: PathBuf,
    /// Print the index as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    /// Prints them.
    pub fn run(&self) -> Result<()> {
        let index = read_index(&self.repository)?;
        if self.json {
            return print(&String::from_utf8_lossy(&json::file(&index)));
        }
        let rows: Vec<Vec<String>> = index.versions.iter().map(|version| row(&index, version)).collect();
        print(&table(Some(&["VERSION", "PUBLISHED", "SIZE", "DELTAS", "CHANNELS"]), &rows))?;
        print(&format!("serial {}, expires {}\n", index.serial, utc::text(moment(index.expires))))
    }
}

fn row(index: &Index, version: &Published) -> Vec<String> {
    let from = |to| index.versions.iter().find(|from| from.manifest.digest == to);
    let deltas = index.deltas.iter().filter(|delta| delta.to == version.manifest.digest);
    let deltas: Vec<String> = deltas
        .filter_map(|delta| Some(format!("{} {}", from(delta.from)?.label, mebibytes(delta.file.size))))
        .collect();
    let offered = index.channels.iter().filter(|(_, channel)| channel.label == version.label);
    let offered: Vec<String> = offered
        .map(|(name, channel)| match channel.percent {
            100.. => name.clone(),
            percent => format!("{name} ({percent} %)"),
        })
        .collect();
    vec![
        version.label.to_string(),
        utc::text(moment(version.made)),
        mebibytes(version.bytes),
        deltas.join(", "),
        offered.join(", "),
    ]
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
