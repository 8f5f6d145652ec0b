//! `history`: what was done to the versions.

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::history::{Deed, Event};
use baserock::json;
use baserock::volume::Volume;
use baserock_terminal::{page, print, table};

use crate::words::minutes;

/// Show what was done to the versions, when, and by whom: deployed, made the default, tried, confirmed, come back, removed and so on
///
/// The oldest comes first. The history is kept beside the versions, and its older half is dropped when it has a mebibyte.
#[derive(Debug, clap::Args)]
pub struct ShowHistory {
    /// Only what was done to this version, which may be gone [default: all versions]
    #[arg(value_name = "LABEL")]
    label: Option<ExistingLabel>,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// The headings of the table.
const HEADINGS: [&str; 5] = ["TIME (UTC)", "EVENT", "VERSION", "BY", "MORE"];

impl ShowHistory {
    /// Prints it.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let mut events = volume.history()?;
        let is_of = |event: &Event, label: &ExistingLabel| {
            event.label == *label || event.from.as_ref() == Some(label)
        };
        events.retain(|event| self.label.as_ref().is_none_or(|label| is_of(event, label)));
        if self.json {
            return print(&json::array(&events)?);
        }
        page(table(Some(&HEADINGS), &events.iter().map(row).collect::<Vec<_>>()).as_bytes())
    }
}

fn row(event: &Event) -> Vec<String> {
    let from = event.from.as_ref().map(|from| match event.event {
        Deed::Renamed => format!("it was {from}"),
        _ => format!("from {from}"),
    });
    let more = from.into_iter().chain(Some(event.words.clone()).filter(|words| !words.is_empty()));
    vec![
        minutes(&event.time),
        event.event.shown().to_owned(),
        event.label.to_string(),
        event.by.clone().unwrap_or_default(),
        more.collect::<Vec<_>>().join("; "),
    ]
}
