//! `enter-baserock`: a shell or a command inside a chroot.

mod arguments;

use std::convert::Infallible;
use std::io::{Write, stderr};
use std::process::ExitCode;

use baserock::error::Error;
use baserock::namespace::become_root;
use baserock_chroots::enter::{Entry, Failure, enter};
use baserock_chroots::{Store, location};
use clap::Parser;

use arguments::Arguments;

/// How the tool ends when it fails itself, as `chroot` and `env` do.
const OWN_FAILURE: u8 = 125;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(shown) => {
            let failed = shown.use_stderr();
            let _closed = shown.print();
            return ExitCode::from(if failed { OWN_FAILURE } else { 0 });
        }
    };
    let Err(failure) = run(arguments);
    let code = failure.exit_code();
    let error = anyhow::Error::from(failure.into_error());
    // If standard error is closed there is nobody to tell.
    let _closed = writeln!(stderr(), "enter-baserock: {error:#}");
    ExitCode::from(code)
}

fn run(arguments: Arguments) -> Result<Infallible, Failure> {
    let binds = arguments.binds()?;
    let path = location(arguments.store)?;
    let privilege = become_root()?;
    let missing = || Error::refused("there is no chroot yet; add one with manage-baserock add LABEL SOURCE");
    let store = Store::existing(&path, privilege)?.ok_or_else(missing)?;
    let label = match arguments.label {
        Some(label) => label,
        None => store.default()?.ok_or_else(|| no_default(&store))?,
    };
    let held = store.get(&label)?.hold(&store)?;
    enter(&Entry {
        tree: &held.tree,
        name: label.as_str(),
        privilege,
        shared: Some(store.shared_folder()?),
        binds: &binds,
        volumes: &[],
        user: arguments.user.as_deref(),
        command: &arguments.command,
    })
}

fn no_default(store: &Store) -> Error {
    Error::refused(format!(
        "{} has no default chroot; name one, or choose one with manage-baserock set-default LABEL",
        store.shown()
    ))
}
