//! `status`: how the volume stands.

use std::process::ExitCode;

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::etc::left::named;
use baserock::json;
use baserock::operations::status::{self, Status};
use baserock::volume::Volume;
use baserock_terminal::{attention, print, table};

/// Show what runs, what boots next, what is pending, and what somebody should look at
///
/// The exit code is 0 if all is well, and 3 if somebody should look at something: a version that came back from its trial or is not complete,
/// open conflicts in /etc of the version that runs or boots next, changes of /etc that are not merged yet, little space, or a boot menu that
/// does not boot what it should.
#[derive(Debug, clap::Args)]
pub struct ShowStatus {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Print one line, as for a banner at login
    #[arg(long, conflicts_with = "json")]
    line: bool,
}

impl ShowStatus {
    /// Prints it. Returns the exit code.
    pub fn run(&self, volume: &Volume) -> Result<ExitCode> {
        let status = status::status(volume)?;
        if self.json {
            print(&String::from_utf8(json::file(&status))?)?;
        } else if self.line {
            print(&line(&status))?;
        } else {
            print(&table(None, &rows(&status)))?;
        }
        Ok(if status.attention.is_empty() { ExitCode::SUCCESS } else { attention() })
    }
}

fn line(status: &Status) -> String {
    let runs = status.running.as_ref().map(|label| format!("{label} runs"));
    let next = status.next.as_ref().filter(|next| status.running.as_ref() != Some(*next));
    let next = next.map(|label| format!("{label} boots next"));
    let words: Vec<String> = runs.into_iter().chain(next).collect();
    let attention = match status.attention.as_slice() {
        [] => String::new(),
        [only] => format!("; attention: {only}"),
        [first, others @ ..] => format!("; attention: {first}; {} more", others.len()),
    };
    format!("system versions: {}{attention}\n", words.join(", "))
}

fn rows(status: &Status) -> Vec<Vec<String>> {
    let mut rows = vec![
        ("running", status.running.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("next", status.next.as_ref().map(|next| format!("{next}: {}", status.why)).unwrap_or_default()),
    ];
    rows.extend(status.pending.iter().map(|words| ("pending", words.clone())));
    for conflicts in &status.conflicts {
        rows.push(("conflicts", format!("{}: {}", conflicts.label, named(&conflicts.paths))));
    }
    if let Some(space) = status.space {
        let (available, total) = (space.available >> 20, space.total >> 20);
        rows.push(("space", format!("{available} of {total} MiB free{}", removable(&status.removable))));
    }
    if status.boot.is_empty() {
        rows.push(("boot", "sound".to_owned()));
    }
    rows.extend(status.attention.iter().map(|words| ("attention", words.clone())));
    let given = rows.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn removable(labels: &[ExistingLabel]) -> String {
    let labels: Vec<&str> = labels.iter().map(ExistingLabel::as_str).collect();
    if labels.is_empty() { String::new() } else { format!("; can be removed: {}", labels.join(", ")) }
}
