//! Enters a chroot: makes a private view of the machine in which the tree is `/`, and replaces this process by a program.
//!
//! Two processes are between the caller and the program: one outside, which passes signals and the terminal's bytes and ends as the program
//! ends, and one inside, which is the first of its namespace. When either ends, so does everything inside. So nothing is left behind, however
//! they end. Only a program with the power of the machine replaces the caller's process.

mod account;
mod command;
mod confine;
mod devices;
mod environment;
mod init;
mod link;
mod mounts;
mod root;
mod signals;
mod supervisor;
mod terminal;
mod tree;
mod version;

use std::ffi::OsString;
use std::path::PathBuf;

use system::dir::Dir;
use system::error::{Error, Result};
use system::namespace::Privilege;
use system::observer::Observer;

pub use mounts::Bind;
pub use version::state_of;

use account::Account;

/// The parameters of [`enter`].
pub struct Entry<'a> {
    /// The root filesystem.
    pub tree: &'a Dir,
    /// Its name for the prompt.
    pub name: &'a str,
    /// The privilege of this process.
    pub privilege: Privilege,
    /// The folder that becomes `/src`.
    pub shared: Option<PathBuf>,
    /// Further files and folders of the host that appear inside.
    pub binds: &'a [Bind],
    /// Directories of the system that are kept outside its tree.
    pub state: &'a [State],
    /// Devices of the host that appear inside: paths below `/dev`.
    pub devices: &'a [PathBuf],
    /// What the program inside can do to the machine.
    pub power: Power,
    /// Is told of what is different inside.
    pub observer: &'a dyn Observer,
    /// What the tree is.
    pub kind: TreeKind,
    /// The user who runs the shell or command; `None` means root.
    pub user: Option<&'a str>,
    /// The command with its arguments. If it is empty, a login shell is run.
    pub command: &'a [OsString],
}

/// What the program inside can do to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Only what packages are built and installed with. It sees no process outside, and has a terminal of its own.
    Confined {
        /// Whether it has the network of the machine.
        network: bool,
    },
    /// Everything that its user can do outside.
    Machine,
}

/// The kind of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A chroot. Places to mount on are made in it.
    Chroot,
    /// An installed version. Nothing is made in it, and the restrictions with which volumes are mounted are removed.
    Version {
        /// Whether nothing can be written to it and to its state.
        read_only: bool,
    },
}

/// A directory of the system that is kept outside its tree.
pub struct State {
    /// The directory, opened in this mount namespace.
    pub dir: Dir,
    /// Its path in the tree.
    pub target: PathBuf,
}

/// The reason why the chroot was not entered, or the command not run.
#[derive(Debug)]
pub enum Failure {
    /// The chroot could not be prepared.
    Setup(Error),
    /// The command exists but cannot be run.
    NotExecutable(Error),
    /// There is no such command inside.
    NotFound(Error),
}

impl Failure {
    /// 125, 126 or 127, as with `chroot` and `env`; 128 + n after signal n.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Setup(error @ Error::Interrupted(_)) => error.exit_code(),
            Failure::Setup(_) => 125,
            Failure::NotExecutable(_) => 126,
            Failure::NotFound(_) => 127,
        }
    }

    /// The error.
    pub fn error(&self) -> &Error {
        match self {
            Failure::Setup(error) | Failure::NotExecutable(error) | Failure::NotFound(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Setup(error)
    }
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exited(u8),
    /// By this signal.
    Killed(i32),
}

/// Tells the user of a failure inside, and returns its exit code.
pub type Report<'a> = &'a dyn Fn(&Failure) -> u8;

/// Runs the command or the shell inside, and returns how it ended. With [`Power::Machine`], this process becomes it, and this returns only
/// if that fails.
pub fn enter(entry: &Entry<'_>, report: Report<'_>) -> Result<Ended, Failure> {
    if let Power::Confined { network } = entry.power {
        return Ok(supervisor::run(entry, network, report)?);
    }
    let terminal = devices::terminal();
    root::swap(entry, terminal.as_deref())?;
    Err(become_command(entry, &Account::find(entry.user)?))
}

/// Becomes the command or the shell, as this account. Returns only if that fails.
fn become_command(entry: &Entry<'_>, account: &Account) -> Failure {
    let login = entry.command.is_empty();
    let ready = || {
        account.assume(entry.privilege)?;
        account.require_way()?;
        command::go_to(if login { &account.home } else { "/".as_ref() })
    };
    if let Err(error) = ready() {
        return error.into();
    }
    let environment = environment::of(entry, account);
    if login { command::shell(account, &environment) } else { command::run(entry.command, &environment) }
}
