//! The program's arguments, with one file for each command that has arguments of its own. They are a library so that the man page and
//! completions are made from them too.

mod add;
mod list;
mod remedies;

use std::path::PathBuf;

use anyhow::Result;
use baserock::label::Label;
use baserock_chroots::{Force, Store, clone, labels, location, remove};
use baserock_terminal::{Manners, Output, Show, completion};
use clap::{Parser, Subcommand};
use system::namespace::become_root;

pub use remedies::remedies;

/// Adds, lists, clones and removes chroots: systems that are used without booting them.
///
/// enter-baserock enters them. The first chroot that is added becomes the default.
#[derive(Debug, Parser)]
#[command(
    name = "manage-baserock",
    version,
    after_help = "Example: manage-baserock add devel https://example.org/devel.tar.xz && enter-baserock devel"
)]
pub struct Arguments {
    /// The folder of the chroots [default: $BASEROCK_CHROOTS, else /var/lib/baserock/chroots for root, ~/.local/share/baserock for others]
    #[arg(long, value_name = "DIR", global = true)]
    store: Option<PathBuf>,
    #[command(flatten)]
    manners: Manners,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(add::Add),
    List(list::List),
    /// Choose the default: the chroot that is entered when none is named
    SetDefault {
        /// An existing chroot
        #[arg(add = completion::offering_of("--store", labels))]
        label: Label,
    },
    /// Remove a chroot, unless a process is inside
    #[command(visible_alias = "remove")]
    Rm {
        /// An existing chroot
        #[arg(add = completion::offering_of("--store", labels))]
        label: Label,
        /// Remove it even if it is the default and there are others
        #[arg(long)]
        force: bool,
    },
    /// Clone a chroot, to change the clone freely: a snapshot on btrfs, elsewhere a copy
    Clone {
        /// An existing chroot
        #[arg(add = completion::offering_of("--store", labels))]
        label: Label,
        /// The label of the clone
        new: Label,
    },
}

impl Arguments {
    /// Runs the command.
    pub fn run(&self) -> Result<()> {
        self.manners.apply();
        let path = location(self.store.clone())?;
        let privilege = become_root()?;
        if let Command::List(list) = &self.command {
            return list.run(Store::existing(&path, privilege)?.as_ref());
        }
        let store = Store::open(&path, privilege)?;
        match &self.command {
            Command::Add(add) => add.run(&store)?,
            Command::List(list) => list.run(Some(&store))?,
            Command::SetDefault { label } => store.set_default(label)?,
            Command::Rm { label, force } => {
                remove(&store, label, if *force { Force::Yes } else { Force::No })?;
            }
            Command::Clone { label, new } => clone(&store, label, new, &Show::new(Output::Errors))?,
        }
        Ok(())
    }
}
