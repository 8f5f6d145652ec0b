//! Entering a chroot: a private view of the machine in which the tree is `/`, and a program that takes the place of this process.
//!
//! There is no process between the caller and the program: signals, job control, the terminal and the exit status are the program's
//! own. The mounts belong to a namespace that ends with the last process in it, so that nothing is left, however that ends.

mod account;
mod command;
mod devices;
mod environment;
mod mounts;
mod root;
mod tree;
mod version;

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use system::dir::Dir;
use system::error::{Error, Result};
use system::namespace::Privilege;

pub use mounts::Bind;
pub use version::state_of;

use account::Account;

/// What to enter, and how.
pub struct Entry<'a> {
    /// The root filesystem.
    pub tree: &'a Dir,
    /// Its name for the prompt.
    pub name: &'a str,
    /// How much of root this process is.
    pub privilege: Privilege,
    /// The folder that becomes `/src`.
    pub shared: Option<PathBuf>,
    /// More of the host that is seen inside.
    pub binds: &'a [Bind],
    /// Directories of the system's own that are kept outside of its tree.
    pub state: &'a [State],
    /// Whether the tree is mounted with restrictions that it must not have once it is `/`.
    pub restricted: bool,
    /// Whose shell or command it is; root's where nobody is named.
    pub user: Option<&'a str>,
    /// The command with its arguments; empty for a login shell.
    pub command: &'a [OsString],
}

/// A directory of the system's own that is kept outside of its tree.
pub struct State {
    /// It, opened in this mount namespace.
    pub dir: Dir,
    /// Where it belongs in the tree.
    pub target: PathBuf,
}

/// Why nothing was entered, or nothing was run.
#[derive(Debug)]
pub enum Failure {
    /// The chroot could not be prepared.
    Setup(Error),
    /// The command is there but cannot be run.
    NotExecutable(Error),
    /// There is no such command inside.
    NotFound(Error),
}

impl Failure {
    /// 125, 126 or 127, as with `chroot` and `env`; 128 + n where a signal came.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Setup(error @ Error::Interrupted(_)) => error.exit_code(),
            Failure::Setup(_) => 125,
            Failure::NotExecutable(_) => 126,
            Failure::NotFound(_) => 127,
        }
    }

    /// What went wrong.
    pub fn into_error(self) -> Error {
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

/// Becomes the command, or the shell, inside. Returns only if that fails; the process is of no other use then.
pub fn enter(entry: &Entry<'_>) -> Result<Infallible, Failure> {
    let terminal = devices::terminal();
    root::swap(entry, terminal.as_deref())?;
    let account = Account::find(entry.user)?;
    account.assume(entry.privilege)?;
    let environment = environment::of(entry, &account);
    let login = entry.command.is_empty();
    command::go_to(if login { &account.home } else { "/".as_ref() })?;
    Err(if login {
        command::shell(&account, &environment)
    } else {
        command::run(entry.command, &environment)
    })
}
