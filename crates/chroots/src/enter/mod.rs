//! Enters a chroot: makes a private view of the machine in which the tree is `/`, and replaces this process by a program.
//!
//! There is no process between the caller and the program, so signals, job control, the terminal and the exit status are those of the
//! program. The mounts belong to a namespace that ends with its last process. So nothing is left behind, however that process ends.

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
    /// What the tree is.
    pub kind: TreeKind,
    /// The user who runs the shell or command; `None` means root.
    pub user: Option<&'a str>,
    /// The command with its arguments. If it is empty, a login shell is run.
    pub command: &'a [OsString],
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

/// Replaces this process by the command or the shell inside. Returns only if that fails. The process can then do nothing else.
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
