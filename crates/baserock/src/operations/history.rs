//! Writes down what was done to a version, beside the versions and in the log of the machine.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use nix::fcntl::OFlag;
use system::atomic;
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::observer::Observer;
use system::resolve::Links;
use system::step::change;
use system::utc;

use crate::history::{Deed, Event, MOST, newer_half};
use crate::json;
use crate::label::ExistingLabel;
use crate::layout::{HISTORY, PRIVATE};
use crate::volume::Volume;

/// What is written of an event beside its deed and its version.
#[derive(Clone, Copy, Debug, Default)]
pub struct More<'a> {
    /// The other version.
    pub from: Option<&'a ExistingLabel>,
    /// More, in words.
    pub words: &'a str,
}

/// Writes the event down. It is done already, so that it cannot be written is only named.
pub fn add(volume: &Volume, deed: Deed, label: &ExistingLabel, more: More<'_>, observer: &dyn Observer) {
    let event = Event {
        time: utc::text(SystemTime::now()),
        event: deed,
        label: label.clone(),
        from: more.from.cloned(),
        by: volume.user().map(str::to_owned),
        words: more.words.to_owned(),
    };
    tracing::info!(
        target: "history",
        event = deed.shown(),
        label = label.as_str(),
        volume = %volume.name().display(),
        by = event.by.as_deref().unwrap_or_default(),
        "{} {label}",
        deed.shown()
    );
    if let Err(error) = append(volume, &event) {
        observer.warn(format!("the history lacks {:?} of {label}: {error}", deed.shown()));
    }
}

fn append(volume: &Volume, event: &Event) -> Result<()> {
    let private = volume.top().ensure_dir(PRIVATE, 0o700)?;
    let shown = private.shown(HISTORY);
    let line = json::line(event).map_err(std::io::Error::from).or_cannot("write", &shown)?;
    let mut file = open(&private)?;
    let length = file.metadata().or_cannot("examine", &shown)?.len();
    let text = if ends_a_line(&file, length).or_cannot("read", &shown)? {
        format!("{line}\n")
    } else {
        format!("\n{line}\n")
    };
    change("append to", &shown, || file.write_all(text.as_bytes()))?;
    if length > MOST {
        let all = private.read(HISTORY, 2 * MOST)?;
        atomic::rewrite(&private, HISTORY, 0o600, newer_half(&all))?;
    }
    Ok(())
}

fn open(private: &Dir) -> Result<File> {
    if !private.has(HISTORY)? {
        private.create(HISTORY, 0o600)?;
    }
    let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    private.open_with(HISTORY, flags, 0, Links::Refuse).map(File::from)
}

/// Whether the file ends with a line. The power may have gone while one was written.
fn ends_a_line(file: &File, length: u64) -> std::io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(true) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}
