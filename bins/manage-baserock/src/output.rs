//! What the user sees: lines, a bar on a terminal, or JSON.

use std::io::{self, IsTerminal, Write, stderr, stdout};

use anyhow::Result;
use baserock::label::Label;
use baserock::observer::{Event, Level, Observer};
use baserock_chroots::{Added, Listed};
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Sends the libraries' log to standard error: what could not be undone, or what `BASEROCK_LOG` asks for.
pub fn log() {
    let filter = EnvFilter::try_from_env("BASEROCK_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .without_time()
        .with_target(false)
        .init();
}

/// The one line of an error.
pub fn error(error: &anyhow::Error) {
    line(&format!("manage-baserock: {error:#}"));
}

/// Whether nobody reads what was written, which is no failure.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A line to standard error; if that is closed there is nobody to tell.
fn line(text: &str) {
    let _closed = writeln!(stderr(), "{text}");
}

/// Shows the progress of an operation on standard error: a bar on a terminal, findings as lines everywhere.
pub struct Terminal {
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Terminal { bar: stderr().is_terminal().then(|| ProgressBar::new_spinner().with_style(plain())) }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Terminal {
    fn event(&self, event: Event) {
        match (event, &self.bar) {
            (Event::Phase { text }, Some(bar)) => {
                bar.set_style(plain());
                bar.set_message(text);
            }
            (Event::Progress { done, total }, Some(bar)) => {
                if let Some(total) = total.filter(|_| bar.length() != total) {
                    bar.set_length(total);
                    bar.set_style(measured());
                }
                bar.set_position(done);
            }
            (Event::Finding(finding), bar) => {
                let level = if finding.level == Level::Warning { "warning" } else { "note" };
                let show = || line(&format!("{level}: {}", finding.text));
                bar.as_ref().map_or_else(show, |bar| bar.suspend(show));
            }
            (Event::Phase { .. } | Event::Progress { .. }, None) => {}
        }
    }
}

fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{msg} {bytes}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn measured() -> ProgressStyle {
    ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Tells what was added.
pub fn added(label: &Label, added: &Added) -> Result<()> {
    let default = if added.is_default { ", the default" } else { "" };
    if let Some((sum, false)) = added.sha256 {
        line(&format!("note: there was no checksum to compare with; the SHA-256 sum is {sum}"));
    }
    Ok(writeln!(stdout(), "added {label}{default}")?)
}

/// The list, one chroot a line, or as JSON.
pub fn list(listed: &[Listed], json: bool) -> Result<()> {
    let mut out = stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, listed)?;
        return Ok(writeln!(out)?);
    }
    let width = listed.iter().map(|chroot| chroot.label.as_str().len()).max().unwrap_or(0);
    for chroot in listed {
        let Listed { label, default, in_use_by, size, record } = chroot;
        let default = if *default { "default" } else { "" };
        let in_use = if in_use_by.is_empty() { "" } else { "in use" };
        let date = record.added.split('T').next().unwrap_or_default();
        let size = indicatif::BinaryBytes(*size).to_string();
        let source = &record.source;
        writeln!(out, "{label:width$}  {default:7}  {in_use:6}  {size:>11}  {date:10}  {source}")?;
    }
    Ok(())
}
