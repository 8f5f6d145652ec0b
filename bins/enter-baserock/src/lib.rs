//! The program's arguments. They are a library so that the man page and completions are made from them too.

mod remedies;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use baserock::label::{ExistingLabel, Label};
use baserock::layout::{RUN, in_version};
use baserock::volume::Purpose;
use baserock_chroots::enter::{Bind, Ended, Entry, Failure, Power, TreeKind, enter, state_of};
use baserock_chroots::{Ephemeral, Refusal, Store, labels, location};
use baserock_terminal::{Manners, Output, Show, VolumeArguments, completion};
use clap::{ArgGroup, Parser};
use system::dir::Dir;
use system::error::{Error, Result};
use system::lock::Patience;
use system::mount::leave_shared_namespace;
use system::namespace::{Privilege, become_root};
use system::observer::Observer;
use system::signal;

pub use remedies::remedies;

/// Enters a chroot: runs a shell or a command there. Of the rest of the machine, only /src is visible.
///
/// Inside are only processes of its own, a terminal of its own, and the machine's network unless --no-network takes it. /sys and the settings
/// of the kernel in /proc are read-only. Root inside keeps what packages are built and installed with: the capabilities chown, dac_override,
/// fowner, fsetid, kill, setgid, setuid, setpcap, setfcap, net_bind_service, sys_chroot and audit_write. Everything ends with the shell or
/// command.
///
/// With --system, enters an installed version of the system instead: to look around, to repair a version that does not boot, or to prepare
/// the version that boots next. Nothing is made in it that you do not make yourself.
#[derive(Debug, Parser)]
#[command(
    name = "enter-baserock",
    disable_version_flag = true,
    group = ArgGroup::new("installed").args(["system", "version"]),
    mut_arg("volume", |volume| volume.requires("installed").help(VOLUME_HELP)),
    after_help = "Example: enter-baserock devel --bind ~/project:/project -- make -C /project\n\n\
                  Exit status: that of the shell or command; 125 if this tool fails, 126 if the command cannot be run,\n\
                  127 if there is no such command, 128 + n if signal n ends it."
)]
pub struct Arguments {
    /// The chroot [default: the one that manage-baserock set-default chose]
    #[arg(add = completion::offering_of("--store", labels))]
    label: Option<Label>,
    /// Enter this installed version of the system, with its shared state
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["label", "store"])]
    system: Option<ExistingLabel>,
    /// Print the version of this program; with LABEL, the older name of --system
    #[arg(long, short = 'V', value_name = "LABEL", num_args = 0..=1, conflicts_with_all = ["label", "store"])]
    version: Option<Vec<ExistingLabel>>,
    /// Let nothing inside write to the version and its shared state
    #[arg(long, requires = "installed")]
    read_only: bool,
    /// Enter a copy of the chroot that is thrown away at the end: a snapshot on btrfs
    #[arg(long, conflicts_with = "installed")]
    ephemeral: bool,
    #[command(flatten)]
    volume: VolumeArguments,
    /// The user who runs the shell or command: a name in the chroot's /etc/passwd
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Make SRC of the host visible inside as DST, by default at the same path; `\:` is a colon in a path
    #[arg(long, value_name = "SRC[:DST][:ro]")]
    bind: Vec<OsString>,
    /// Make this device of the host visible inside: /dev/fuse, /dev/kvm, /dev/net/tun; also without /dev/
    #[arg(long, value_name = "DEVICE")]
    device: Vec<PathBuf>,
    /// Give what runs inside no network
    #[arg(long)]
    no_network: bool,
    /// Let what runs inside do to the machine what you can: all capabilities, processes and devices, and this terminal
    #[arg(long, conflicts_with_all = ["no_network", "ephemeral"])]
    privileged: bool,
    #[command(flatten)]
    manners: Manners,
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
    /// Runs the shell or command inside, and returns how it ended.
    pub fn run(&self) -> Result<Ended, Failure> {
        self.manners.apply();
        let binds = self.bind.iter().map(|text| bind(text)).collect::<Result<Vec<_>>>()?;
        let devices: Vec<PathBuf> = self.device.iter().map(|name| Path::new("/dev").join(name)).collect();
        let show = Show::new(Output::Errors);
        let inside = Inside { binds: &binds, devices: &devices, observer: &show };
        match (&self.system, self.version.as_deref()) {
            (Some(label), _) => self.installed(label, &inside),
            (None, Some([label, ..])) => {
                let observer: &dyn Observer = &show;
                observer.note(format!("--version LABEL is called --system now: --system {label}"));
                self.installed(label, &inside)
            }
            (None, Some([])) => print_version(),
            (None, None) => self.chroot(&inside),
        }
    }

    fn chroot(&self, inside: &Inside<'_>) -> Result<Ended, Failure> {
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
        // Only what makes and removes a copy has to notice signals.
        let copy = if self.ephemeral {
            signal::catch()?;
            Some(Ephemeral::of(&store, &label, &held.tree, inside.observer)?)
        } else {
            None
        };
        let entry = Entry {
            tree: copy.as_ref().map_or(&held.tree, Ephemeral::tree),
            name: label.as_str(),
            shared: Some(store.shared_folder()?),
            ..self.entry(inside, privilege, &held.tree)
        };
        enter(&entry, &report)
    }

    fn installed(&self, label: &ExistingLabel, inside: &Inside<'_>) -> Result<Ended, Failure> {
        let privilege = become_root()?;
        if privilege != Privilege::Root {
            return Err(Error::refused("only root can enter a version of the system; use sudo").into());
        }
        leave_shared_namespace()?;
        let purpose = if self.read_only { Purpose::Look } else { Purpose::Change };
        let volume = self.volume.open(purpose, Patience::Refuse)?;
        volume.require(label)?;
        let run = volume.top().dir(in_version(label, RUN))?;
        let entry = Entry {
            name: label.as_str(),
            state: &state_of(&volume, &run)?,
            kind: TreeKind::Version { read_only: self.read_only },
            ..self.entry(inside, privilege, &run)
        };
        enter(&entry, &report)
    }

    /// What is the same for chroots and versions.
    fn entry<'a>(&'a self, inside: &Inside<'a>, privilege: Privilege, tree: &'a Dir) -> Entry<'a> {
        let network = !self.no_network;
        Entry {
            tree,
            name: "",
            privilege,
            shared: None,
            binds: inside.binds,
            devices: inside.devices,
            power: if self.privileged { Power::Machine } else { Power::Confined { network } },
            observer: inside.observer,
            state: &[],
            kind: TreeKind::Chroot,
            user: self.user.as_deref(),
            command: &self.command,
        }
    }
}

/// What of the host is visible inside.
struct Inside<'a> {
    binds: &'a [Bind],
    devices: &'a [PathBuf],
    observer: &'a dyn Observer,
}

/// Shows a failure, and returns its exit code.
pub fn report(failure: &Failure) -> u8 {
    let line = baserock_terminal::remedy::line(failure.error(), remedies);
    baserock_terminal::complain(&format!("enter-baserock: {line}"));
    failure.exit_code()
}

fn print_version() -> Result<Ended, Failure> {
    let line = concat!("enter-baserock ", env!("CARGO_PKG_VERSION"), "\n");
    baserock_terminal::print(line).map_err(|error| Error::refused(format!("{error:#}")))?;
    Ok(Ended::Exited(0))
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
