//! The program's arguments. They are a library so that the man page and completions are made from them too.

mod remedies;

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use baserock::label::{ExistingLabel, Label};
use baserock::layout::{RUN, in_version};
use baserock::volume::Purpose;
use baserock_chroots::enter::{Bind, Entry, Failure, TreeKind, enter, state_of};
use baserock_chroots::{Refusal, Store, location};
use baserock_terminal::VolumeArguments;
use clap::Parser;
use system::error::{Error, Result};
use system::lock::Patience;
use system::mount::leave_shared_namespace;
use system::namespace::{Privilege, become_root};

pub use remedies::remedies;

/// Enters a chroot: runs a shell or a command there. Of the rest of the machine, only /src is visible.
///
/// With --version, enters an installed version of the system instead: to look around, to repair a version that does not boot, or to prepare
/// the version that boots next. Nothing is made in it that you do not make yourself.
#[derive(Debug, Parser)]
#[command(
    name = "enter-baserock",
    disable_version_flag = true,
    mut_arg("volume", |volume| volume.requires("version").help(VOLUME_HELP)),
    after_help = "Example: enter-baserock devel --bind ~/project:/project -- make -C /project\n\n\
                  Exit status: that of the shell or command; 125 if this tool fails, 126 if the command cannot be run,\n\
                  127 if there is no such command, 128 + n if signal n ends it."
)]
pub struct Arguments {
    /// The chroot [default: the one that manage-baserock set-default chose]
    label: Option<Label>,
    /// Enter this installed version of the system, with its shared state
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["label", "store"])]
    version: Option<ExistingLabel>,
    /// Let nothing inside write to the version and its shared state
    #[arg(long, requires = "version")]
    read_only: bool,
    #[command(flatten)]
    volume: VolumeArguments,
    /// The user who runs the shell or command: a name in the chroot's /etc/passwd
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Make SRC of the host visible inside as DST, by default at the same path
    #[arg(long, value_name = "SRC[:DST][:ro]")]
    bind: Vec<OsString>,
    /// The folder of the chroots [default: $BASEROCK_CHROOTS, else /var/lib/baserock/chroots for root, ~/.local/share/baserock for others]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The command to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const VOLUME_HELP: &str =
    "The version's volume: a device, image or mounted volume [default: the running system's]";

impl Arguments {
    /// Replaces this process by the shell or command inside.
    pub fn run(&self) -> Result<Infallible, Failure> {
        let binds = self.bind.iter().map(|text| bind(text)).collect::<Result<Vec<_>>>()?;
        match &self.version {
            Some(label) => self.version(label, &binds),
            None => self.chroot(&binds),
        }
    }

    fn chroot(&self, binds: &[Bind]) -> Result<Infallible, Failure> {
        let path = location(self.store.clone())?;
        let privilege = become_root()?;
        let missing =
            || Error::refused("there is no chroot yet; add one with manage-baserock add LABEL SOURCE");
        let store = Store::existing(&path, privilege)?.ok_or_else(missing)?;
        let label = match &self.label {
            Some(label) => label.clone().into(),
            None => store.default()?.ok_or_else(|| no_default(&store))?,
        };
        let held = store.get(&label)?.hold(&store)?;
        enter(&Entry {
            tree: &held.tree,
            name: label.as_str(),
            privilege,
            shared: Some(store.shared_folder()?),
            binds,
            state: &[],
            kind: TreeKind::Chroot,
            user: self.user.as_deref(),
            command: &self.command,
        })
    }

    fn version(&self, label: &ExistingLabel, binds: &[Bind]) -> Result<Infallible, Failure> {
        let privilege = become_root()?;
        if privilege != Privilege::Root {
            return Err(Error::refused("only root can enter a version of the system; use sudo").into());
        }
        leave_shared_namespace()?;
        let purpose = if self.read_only { Purpose::Look } else { Purpose::Change };
        let volume = self.volume.open(purpose, Patience::Refuse)?;
        volume.require(label)?;
        let run = volume.top().dir(in_version(label, RUN))?;
        enter(&Entry {
            tree: &run,
            name: label.as_str(),
            privilege,
            shared: None,
            binds,
            state: &state_of(&volume, &run)?,
            kind: TreeKind::Version { read_only: self.read_only },
            user: self.user.as_deref(),
            command: &self.command,
        })
    }
}

fn bind(text: &OsStr) -> Result<Bind> {
    Bind::parse(text).map_err(|error| match error.kind() {
        Some(usage @ Refusal::Bind) => Error::refused(format!("invalid --bind {}: {usage}", text.display())),
        _ => error,
    })
}

fn no_default(store: &Store) -> Error {
    Error::refused(format!(
        "{} has no default chroot; name one, or choose one with manage-baserock set-default LABEL",
        store.shown()
    ))
}
