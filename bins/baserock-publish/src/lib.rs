//! The program's arguments, with one file for each command. They are a library so that the man page and completions are made from them too.

mod add;
mod list;
mod prune;
mod remedies;
mod rotate;
mod verify;
mod vouch;

use std::path::PathBuf;

use anyhow::Result;
use baserock::ExistingLabel;
use baserock::operations::trust::require_key;
use baserock_terminal::Manners;
use clap::{Parser, Subcommand};
use repository::Refusal;
use repository::index::Channel;
use repository::publish::Folder;

pub use remedies::remedies;

/// Publishes versions: adds them to a repository, a folder of static files that any web server serves.
///
/// Machines fetch from it with system-version-manager fetch. Only the file index changes, and it is written last, so a version that is half
/// published is invisible. All else never changes, and caches may keep it.
#[derive(Debug, Parser)]
#[command(
    name = "baserock-publish",
    version,
    after_help = "Example: baserock-publish add /srv/www/os ./tree --label v2 --channel stable --key ~/.ssh/id_ed25519"
)]
pub struct Arguments {
    #[command(flatten)]
    manners: Manners,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(add::Add),
    /// Let a channel offer a version, to all machines or to a share of them
    Promote {
        /// The folder of the repository
        #[arg(value_name = "REPO")]
        repository: PathBuf,
        /// The version
        #[arg(value_name = "LABEL")]
        label: ExistingLabel,
        /// The channel
        #[arg(long)]
        channel: String,
        /// The share of machines that take it now; the others wait until it rises
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: u8,
        #[command(flatten)]
        signing: Signing,
    },
    /// Sign the index by one more key, where machines ask for more than one
    Sign {
        /// The folder of the repository
        #[arg(value_name = "REPO")]
        repository: PathBuf,
        /// The key: a private key of ssh, or a public one whose private key ssh-agent or a security key has
        #[arg(long)]
        key: String,
    },
    List(list::List),
    Rotate(rotate::Rotate),
    Verify(verify::Verify),
    Vouch(vouch::Vouch),
    Prune(prune::Prune),
}

/// How the index is signed.
#[derive(Debug, clap::Args)]
pub struct Signing {
    /// Sign the index by this key: a private key of ssh, or a public one whose private key ssh-agent or a security key has (repeatable)
    #[arg(long, required_unless_present = "unsigned")]
    key: Vec<String>,
    /// Write an index without a signature, which machines refuse unless they are told not to
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// How long the index counts, in days. Publish again before it ends: machines refuse an index that has expired
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    lifetime: u64,
}

/// Seconds of a day.
const DAY: u64 = 86_400;

impl Signing {
    /// Fails if a key is missing.
    pub fn require_keys(&self) -> Result<()> {
        Ok(self.key.iter().try_for_each(|key| require_key(key))?)
    }

    /// Writes the index.
    pub fn publish(&self, folder: &mut Folder) -> Result<()> {
        Ok(folder.publish(&self.key, self.lifetime.saturating_mul(DAY))?)
    }
}

impl Arguments {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        self.manners.apply();
        match &self.command {
            Command::Add(add) => add.run(),
            Command::Promote { repository, label, channel, percent, signing } => {
                let mut folder = Folder::open(repository)?;
                if folder.index.version(label).is_none() {
                    let known = folder.index.versions.iter().map(|version| version.label.to_string());
                    let (repository, label, known) = (folder.shown(), label.clone(), known.collect());
                    return Err(system::Error::from(Refusal::NoVersion { repository, label, known }).into());
                }
                let offered = Channel { label: label.clone(), percent: *percent };
                folder.index.channels.insert(channel.clone(), offered);
                signing.publish(&mut folder)
            }
            Command::Sign { repository, key } => Ok(Folder::open(repository)?.sign(key)?),
            Command::List(list) => list.run(),
            Command::Rotate(rotate) => rotate.run(),
            Command::Verify(verify) => verify.run(),
            Command::Vouch(vouch) => vouch.run(),
            Command::Prune(prune) => prune.run(),
        }
    }
}
