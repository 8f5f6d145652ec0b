//! `manage-baserock`: chroots that are added, listed, switched, cloned and removed.

mod arguments;
mod output;

use std::process::ExitCode;

use anyhow::Result;
use baserock::error::Error;
use baserock::namespace::become_root;
use baserock::signal;
use baserock_chroots::{Adding, Force, Store, add, clone, list, location, remove};
use baserock_fetch::Patience;
use clap::Parser;

use arguments::{Add, Arguments, Command};
use output::Terminal;

fn main() -> ExitCode {
    output::log();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(error.downcast_ref::<Error>().map_or(1, Error::exit_code))
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    signal::catch()?;
    let path = location(arguments.store)?;
    let privilege = become_root()?;
    if let Command::List { json } = arguments.command {
        let store = Store::existing(&path, privilege)?;
        let listed = store.map_or(Ok(Vec::new()), |store| list(&store))?;
        return output::list(&listed, json);
    }
    let store = Store::open(&path, privilege)?;
    match arguments.command {
        Command::List { .. } => Ok(()),
        Command::Add(arguments) => add_chroot(&store, &arguments),
        Command::SetDefault { label } => Ok(store.set_default(&label)?),
        Command::Rm { label, force } => {
            Ok(remove(&store, &label, if force { Force::Yes } else { Force::No })?)
        }
        Command::Clone { label, new } => Ok(clone(&store, &label, &new)?),
    }
}

fn add_chroot(store: &Store, arguments: &Add) -> Result<()> {
    let adding = Adding {
        label: &arguments.label,
        source: &arguments.source()?,
        sha256: arguments.sha256,
        most: arguments.max_size,
        patience: Patience(arguments.timeout),
    };
    let terminal = Terminal::new();
    let added = add(store, &adding, &terminal)?;
    terminal.finish();
    output::added(&arguments.label, &added)
}
