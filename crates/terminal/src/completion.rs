//! Completion: a shell asks the program itself what may stand in the place of a word, so it offers what is there now.
//!
//! A shell asks by running the program with the variable `COMPLETE`; the scripts that make it ask are installed with the programs.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use baserock::label::ExistingLabel;
use baserock::volume::{Location, Opening, Purpose, Volume};
use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter};
use clap_complete::env::{EnvCompleter, Shells};
use system::lock::Patience;

/// The variable by which a shell asks: its value is the name of the shell.
const VARIABLE: &str = "COMPLETE";
/// The option that names a volume.
const VOLUME: &str = "--volume";

/// If a shell asks, answers it and ends the program. `command` makes the program's arguments.
pub fn answer(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(|| offering_versions(command())).var(VARIABLE).complete();
}

/// The script that makes a shell ask the program. `None` if the shell is not known.
pub fn script(shell: &str, program: &str) -> Option<io::Result<Vec<u8>>> {
    let shells = Shells::builtins();
    let shell: &dyn EnvCompleter = shells.completer(shell)?;
    let mut script = Vec::new();
    Some(shell.write_registration(VARIABLE, program, program, program, &mut script).map(|()| script))
}

/// What an argument offers.
pub fn offering(values: impl Fn() -> Vec<String> + Send + Sync + 'static) -> ArgValueCandidates {
    ArgValueCandidates::new(move || values().into_iter().map(CompletionCandidate::new).collect())
}

/// What an argument offers, where that depends on the folder or file that another option names. What cannot be read offers nothing.
pub fn offering_of<E>(
    option: &'static str,
    values: impl Fn(Option<PathBuf>) -> Result<Vec<String>, E> + Send + Sync + 'static,
) -> ArgValueCandidates {
    offering(move || values(value_of(option).map(PathBuf::from)).unwrap_or_default())
}

/// What an argument offers, where that depends on the volume that was named, or else is that of the running system.
pub fn offering_of_volume(values: fn(&Volume) -> system::Result<Vec<String>>) -> ArgValueCandidates {
    offering_of(VOLUME, move |path| {
        let location = path.map_or(Location::Running, Location::Path);
        values(&Volume::open(&Opening { location, purpose: Purpose::Look, patience: Patience::Refuse })?)
    })
}

/// Files with this ending, and the folders on the way to them.
pub fn files(ending: &'static str) -> ArgValueCompleter {
    ArgValueCompleter::new(
        PathCompleter::any()
            .filter(move |path| path.is_dir() || path.extension().is_some_and(|end| end == ending)),
    )
}

/// Every argument that is the label of an existing version offers the versions of the volume.
fn offering_versions(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let is_label = argument.get_value_parser().type_id() == std::any::TypeId::of::<ExistingLabel>();
        // An argument that already knows what it offers keeps that.
        if is_label && argument.get::<ArgValueCandidates>().is_none() {
            argument.add(offering_of_volume(versions))
        } else {
            argument
        }
    });
    command.mut_subcommands(offering_versions)
}

fn versions(volume: &Volume) -> system::Result<Vec<String>> {
    Ok(volume.versions()?.iter().map(|version| version.label.to_string()).collect())
}

/// The words that the person has typed so far, the program's name first.
pub fn words() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != "--").skip(1).collect()
}

/// The value that the typed words give an option: `OPTION VALUE` or `OPTION=VALUE`.
fn value_of(option: &str) -> Option<OsString> {
    value_in(&words(), option)
}

fn value_in(words: &[OsString], option: &str) -> Option<OsString> {
    let mut rest = words.iter().skip_while(|word| !is_option(word, option));
    let found = rest.next()?;
    if let Some(value) = found.to_str().and_then(|word| word.strip_prefix(option)?.strip_prefix('=')) {
        return Some(value.into());
    }
    rest.next().cloned()
}

fn is_option(word: &OsStr, option: &str) -> bool {
    word.to_str()
        .and_then(|word| word.strip_prefix(option))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_what_was_typed() {
        let value = |typed: &[&str]| {
            let words: Vec<OsString> = typed.iter().map(Into::into).collect();
            value_in(&words, "--volume").map(|value| value.to_string_lossy().into_owned())
        };
        for typed in [&["svm", "--volume", "disk.img", "show"][..], &["svm", "show", "--volume=disk.img", ""]]
        {
            assert_eq!(value(typed).as_deref(), Some("disk.img"), "{typed:?}");
        }
        assert_eq!(value(&["svm", "--volumes", "x"]), None);
        assert_eq!(value(&["svm", "--volume"]), None);
    }

    #[test]
    fn shells_have_scripts_that_name_the_program() {
        for shell in ["bash", "zsh", "fish"] {
            let script = String::from_utf8(script(shell, "morph").unwrap().unwrap()).unwrap();
            assert!(script.contains("COMPLETE") && script.contains("morph"), "{script}");
        }
        assert!(script("csh", "morph").is_none());
    }
}
