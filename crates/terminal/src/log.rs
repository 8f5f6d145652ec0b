//! The program's own log: errors on standard error, of which `BASEROCK_LOG=debug` shows more; everything, with times, where the caller of an
//! extension has opened a file for it (`MORPH_LOG_FD`).

use std::fs::File;
use std::io;
use std::sync::Mutex;

use baserock::extension::Environment;
use system::error::{OrCannot, Result};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// The target of what is shown to the user anyway, and belongs into the file alone.
pub const SHOWN: &str = "shown";

/// The file that the caller wants the log in, where there is one.
pub fn wanted(environment: &Environment) -> Result<Option<File>> {
    let Some(number) = environment.log_descriptor()? else { return Ok(None) };
    let path = format!("/proc/self/fd/{number}");
    File::options().append(true).open(&path).map(Some).or_cannot("open MORPH_LOG_FD:", path)
}

/// Logs from now on.
pub fn start(file: Option<File>) {
    let filter = EnvFilter::try_from_env("BASEROCK_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    let unseen = tracing_subscriber::filter::filter_fn(|metadata| metadata.target() != SHOWN);
    let terminal = fmt::layer().with_writer(io::stderr).without_time().with_target(false);
    let file = file.map(|file| {
        let layer = fmt::layer().with_writer(Mutex::new(file)).with_ansi(false).with_target(false);
        layer.with_filter(LevelFilter::DEBUG)
    });
    tracing_subscriber::registry().with(terminal.with_filter(filter).with_filter(unseen)).with(file).init();
}
