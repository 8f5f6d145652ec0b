//! Replaces this process by the program.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use system::error::{Error, OrCannot, Result};
use system::process::become_program;

use super::Failure;
use super::account::Account;
use super::environment::PATH;
use crate::refusal::Refusal;

/// The shell if that of the account is missing.
const SHELL: &str = "/bin/sh";

/// Changes to the folder, or to `/` if it does not exist.
pub fn go_to(folder: &Path) -> Result<()> {
    std::env::set_current_dir(folder)
        .or_else(|_| std::env::set_current_dir("/"))
        .or_cannot("change to", folder)
}

/// Becomes the account's login shell.
pub fn shell(account: &Account, environment: &[(OsString, OsString)]) -> Failure {
    let own = access(&account.shell, AccessFlags::X_OK).is_ok();
    let shell = if own { account.shell.as_path() } else { Path::new(SHELL) };
    if !own && !shell.is_file() {
        return Failure::NotFound(Refusal::NoShell { shell: shell.to_owned() }.into());
    }
    // The hyphen tells a shell that it is a login shell.
    let mut name = OsString::from("-");
    name.push(shell.file_name().unwrap_or_default());
    failure(shell.as_os_str(), become_program(shell, &name, &[], environment))
}

/// Becomes the command.
pub fn run(command: &[OsString], environment: &[(OsString, OsString)]) -> Failure {
    let Some((name, arguments)) = command.split_first() else {
        return Failure::NotFound(Error::refused("no command was given"));
    };
    match find(name) {
        Err(failure) => failure,
        Ok(path) => {
            let error = become_program(&path, name, arguments, environment);
            if error.raw_os_error() != Some(libc::ENOEXEC) {
                return failure(name, error);
            }
            // The shell runs a script whose first line names no interpreter.
            let arguments: Vec<OsString> =
                std::iter::once(path.into()).chain(arguments.iter().cloned()).collect();
            failure(name, become_program(Path::new(SHELL), OsStr::new("sh"), &arguments, environment))
        }
    }
}

/// The path of the command. A name with a slash is a path already; else the first executable in `PATH` is taken.
fn find(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return Ok(name.into());
    }
    let places: Vec<PathBuf> =
        PATH.split(':').map(|dir| Path::new(dir).join(name)).filter(|path| path.is_file()).collect();
    let runs = |path: &&PathBuf| access(*path, AccessFlags::X_OK).is_ok();
    match (places.iter().find(runs), places.first()) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(_)) => Err(failure(name, io::Error::from_raw_os_error(libc::EACCES))),
        (None, None) => Err(failure(name, io::Error::from_raw_os_error(libc::ENOENT))),
    }
}

fn failure(name: &OsStr, error: io::Error) -> Failure {
    let kind = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => Failure::NotFound,
        _ => Failure::NotExecutable,
    };
    kind(Error::Io { action: "run".into(), path: name.into(), cause: error })
}
