//! The log of a program. Errors go to standard error; with `BASEROCK_LOG=debug`, more goes there. If the caller of an extension has opened
//! a file for the log (`MORPH_LOG_FD`), everything goes there, with times. What was done to versions goes to the journal of the machine too.

use std::fs::File;
use std::io;
use std::sync::Mutex;

use baserock::extension::Environment;
use system::error::{OrCannot, Result};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// The target of lines that the user sees anyway. They are logged to the file only.
pub const SHOWN: &str = "shown";

/// The target of what was done to versions. It is logged to the journal, with its fields.
const HISTORY: &str = "history";

/// The variable with the number of the descriptor of that file.
const FILE: &str = "MORPH_LOG_FD";

/// The file that the caller has opened for the log, if any.
pub fn wanted(environment: &Environment) -> Result<Option<File>> {
    let Some(number) = environment.descriptor(FILE)? else { return Ok(None) };
    let path = format!("/proc/self/fd/{number}");
    File::options().append(true).open(&path).map(Some).or_cannot(format!("open {FILE}:"), path)
}

/// Starts the log.
pub fn start(file: Option<File>) {
    let filter = EnvFilter::try_from_env("BASEROCK_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    let unseen = tracing_subscriber::filter::filter_fn(|metadata| metadata.target() != SHOWN);
    let terminal = fmt::layer().with_writer(io::stderr).without_time().with_target(false);
    let file = file.map(|file| {
        let layer = fmt::layer().with_writer(Mutex::new(file)).with_ansi(false).with_target(false);
        layer.with_filter(LevelFilter::DEBUG)
    });
    // Without a journal nobody is left to be told: the history is on the volume.
    let journal = tracing_journald::layer().ok().map(|layer| {
        let done = tracing_subscriber::filter::filter_fn(|metadata| metadata.target() == HISTORY);
        layer.with_filter(done)
    });
    let terminal = terminal.with_filter(filter).with_filter(unseen);
    tracing_subscriber::registry().with(terminal).with(file).with(journal).init();
}
