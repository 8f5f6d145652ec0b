//! The command line: one file for each command.

mod build;
mod check;
mod deploy;
mod gc;
mod help_extensions;
mod selection;
mod status;

use std::process::ExitCode;

use anyhow::Result;
use baserock::extension::Environment;
use baserock_terminal::Manners;
use clap::{Parser, Subcommand};

use crate::settings::Places;

/// Builds systems, and deploys them as cluster files say
#[derive(Debug, Parser)]
#[command(name = "morph", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    manners: Manners,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  morph build systems/devel.morph
  morph check clusters/upgrade-devel.morph --upgrade
  morph upgrade clusters/upgrade-devel.morph self.HOSTNAME=$(hostname) self.VERSION_LABEL=devel";

#[derive(Debug, Subcommand)]
enum Command {
    Deploy(deploy::Deploy),
    Upgrade(deploy::Upgrade),
    Check(check::Check),
    Status(status::ShowStatus),
    Build(build::Build),
    Gc(gc::Gc),
    HelpExtensions(help_extensions::HelpExtensions),
}

impl Arguments {
    /// Runs the command in this environment. Returns the exit code.
    pub fn run(self, environment: Environment) -> Result<ExitCode> {
        let Arguments { places, manners, command } = self;
        manners.apply();
        // Extensions that are scripts need a small number.
        system::process::log_number()?;
        match command {
            Command::Deploy(command) => command.run(&places, environment),
            Command::Upgrade(command) => command.run(&places, environment),
            Command::Check(command) => command.run(&places, environment),
            Command::Status(command) => return command.run(&places, environment),
            Command::Build(command) => command.run(&places, environment),
            Command::Gc(command) => command.run(&places, &environment),
            Command::HelpExtensions(command) => command.run(&places, &environment),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}
