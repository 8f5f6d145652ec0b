//! Builds systems, and deploys them as cluster files say, through extensions that are programs of their own.
//!
//! A cluster file and a request become a [`plan`], which is a value; what it needs is found ([`prepared`]); then each deployment is made
//! ([`deployer`]). Artifacts are built from system definitions ([`builder`]) and never modified.

mod artifacts;
mod builder;
mod cluster;
mod commands;
mod definition;
mod deployer;
mod document;
mod extensions;
mod help;
mod inputs;
mod nearest;
mod output;
mod parameters;
mod plan;
mod prepared;
mod record;
mod repository;
mod request;
mod runner;
mod settings;
mod together;
mod workspace;

use std::io;
use std::process::ExitCode;

use baserock::signal;
use clap::{CommandFactory, Parser};

use commands::Cli;

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = signal::catch().map_err(anyhow::Error::from);
    match outcome.and_then(|()| cli.run(std::env::vars_os().collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            let known = error.downcast_ref::<baserock::Error>();
            ExitCode::from(known.map_or(1, baserock::Error::exit_code))
        }
    }
}

/// The definition of the command line, from which manual pages and completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
