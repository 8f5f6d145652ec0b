//! What a program advises has to be possible: each option that it names is one of its own, each command one that there is, and each variable
//! one of its help. Every run of every suite is looked at, so that a refusal is checked wherever it is provoked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use crate::{built, extensions};

/// The programs whose help is from their arguments.
const PROGRAMS: [&str; 5] =
    ["system-version-manager", "baserock-system-config-sync", "manage-baserock", "enter-baserock", "morph"];

/// What stands for a value in an advice, or is in a line of fstab, and looks like a variable.
const PLACEHOLDERS: [&str; 8] =
    ["PATH", "KEY", "NAME", "TEMP_ROOT", "UUID", "LABEL", "PARTUUID", "PARTLABEL"];

/// What a program understands.
#[derive(Default)]
struct Help {
    commands: BTreeSet<String>,
    options: BTreeSet<String>,
    variables: BTreeSet<String>,
}

/// Fails where a line of a program's errors and findings advises what is not possible. `program` is the one that was run, if it is known: an
/// extension does not say its name.
#[track_caller]
pub fn check(program: Option<&str>, stderr: &str) {
    for line in stderr.lines() {
        let faults = faults(program, line);
        assert!(faults.is_empty(), "bad advice ({}): {line}", faults.join(", "));
    }
}

/// What is wrong with the advice in a line.
fn faults(program: Option<&str>, line: &str) -> Vec<String> {
    // An extension is installed with a dot in its name.
    let program = program.map(|program| program.replace('.', "-"));
    let Some((speaker, text)) = speaker(program.as_deref(), line) else { return Vec::new() };
    // The words of other programs, what they are to be told, and the words of the runtime after a panic are not ours.
    let text = text.split(" failed (").next().unwrap_or_default();
    let text = text.split(": efibootmgr ").next().unwrap_or_default();
    let text = text.split("run with `RUST_BACKTRACE=").next().unwrap_or_default();
    let mut faults = Vec::new();
    let mut owner = None;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && !"-_=".contains(c));
        if PROGRAMS.contains(&bare) {
            owner = Some(bare);
            let command = words.peek().filter(|next| next.starts_with(|c: char| c.is_ascii_lowercase()));
            if let Some(command) = command.filter(|_| word.ends_with(bare)) {
                let command = command.trim_end_matches([';', ',', ')', ':', '`']);
                if !help(bare).commands.is_empty() && !help(bare).commands.contains(command) {
                    faults.push(format!("{bare} has no command {command}"));
                }
            }
        }
        let asked = owner.unwrap_or(speaker);
        if let Some(option) = bare.strip_prefix("--").filter(|option| !option.is_empty()) {
            let option = option.split('=').next().unwrap_or_default();
            if !help(asked).options.contains(option) {
                faults.push(format!("{asked} has no option --{option}"));
            }
        }
        if let Some(variable) = variable(bare).filter(|variable| !help(speaker).variables.contains(*variable))
        {
            faults.push(format!("{speaker} knows no variable {variable}"));
        }
        if word.ends_with([';', ',', ')']) {
            owner = None;
        }
    }
    faults
}

/// Who says a line, and what; `None` where it is no error or finding of one of the programs.
fn speaker<'a>(program: Option<&'a str>, line: &'a str) -> Option<(&'a str, &'a str)> {
    let (first, text) = line.split_once(": ")?;
    if PROGRAMS.contains(&first) {
        return Some((first, text));
    }
    // An extension that morph or a wrapper has started is not known by its name.
    let extension = program.filter(|program| !help(program).variables.is_empty());
    ["ERROR", "warning", "note"].contains(&first).then_some((extension.unwrap_or("morph"), text))
}

/// The name of a variable: `KERNEL_PATH`, `UPGRADE=yes`.
fn variable(word: &str) -> Option<&str> {
    let (name, has_value) = word.split_once('=').map_or((word, false), |(name, _)| (name, true));
    let usual = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(usual);
    (is_name && (has_value || name.contains('_')) && !PLACEHOLDERS.contains(&name)).then_some(name)
}

fn help(program: &str) -> &'static Help {
    static ALL: OnceLock<BTreeMap<String, Help>> = OnceLock::new();
    static NONE: OnceLock<Help> = OnceLock::new();
    ALL.get_or_init(all).get(program).unwrap_or_else(|| NONE.get_or_init(Help::default))
}

fn all() -> BTreeMap<String, Help> {
    let mut all: BTreeMap<String, Help> =
        PROGRAMS.into_iter().map(|program| (program.to_owned(), of_program(program))).collect();
    let mut every = BTreeSet::new();
    for folder in extensions::FOLDERS {
        for entry in fs::read_dir(extensions::source(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".help")) else {
                continue;
            };
            let variables = variables(&fs::read_to_string(&path).expect("a help"));
            every.extend(variables.iter().cloned());
            let (name, kind) = name.rsplit_once('.').expect("a kind");
            for kind in [kind, "check"] {
                let help = all.entry(format!("{name}-{kind}")).or_default();
                help.variables.extend(variables.iter().cloned());
            }
        }
    }
    all.entry("morph".to_owned()).or_default().variables.extend(every);
    all
}

/// The help of a program, and of each of its commands.
fn of_program(program: &str) -> Help {
    let ask = |arguments: &[&str]| {
        let output = Command::new(built::path(program)).args(arguments).output().expect("the program starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let top = ask(&["--help"]);
    let commands =
        top.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: BTreeSet<String> =
        commands.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    let mut texts: Vec<String> = commands.iter().map(|command| ask(&[command, "--help"])).collect();
    texts.push(top);
    let text = texts.join("\n");
    Help { commands, options: options(&text), variables: variables(&text) }
}

fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    words.filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect()
}

/// Every word in capital letters.
fn variables(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_has_not_is_found() {
        for (program, line, fault) in [
            (None, "manage-baserock: x; use --stor DIR", "manage-baserock has no option --stor"),
            (Some("rawdisk-write"), "ERROR: x; use --volume PATH", "rawdisk-write has no option --volume"),
            (
                Some("rawdisk-write"),
                "ERROR: x; set DISK_SIZES=1G",
                "rawdisk-write knows no variable DISK_SIZES",
            ),
            (None, "morph: x (manage-baserock del one)", "manage-baserock has no command del"),
            (None, "warning: x (manage-baserock rm one --again)", "manage-baserock has no option --again"),
        ] {
            assert_eq!(faults(program, line), [fault]);
        }
    }

    #[test]
    fn what_is_possible_and_what_others_say_is_left_alone() {
        for (program, line) in [
            (
                None,
                "system-version-manager: x is in use by morph (process 8); wait for it to end, or use --wait",
            ),
            (None, "system-version-manager: x; set KERNEL_PATH, or set BOOTLOADER_CONFIG_FORMAT=none"),
            (Some("rawdisk-write"), "ERROR: x (system-version-manager --volume disk.img remove LABEL)"),
            (Some("rawdisk-check"), "ERROR: DISK_SIZE is not set; a new image needs it: DISK_SIZE=4G"),
            (None, "manage-baserock: mkfs.ext4 failed (exit status: 1): no option --such"),
            (None, "tar: unknown option --such"),
        ] {
            assert_eq!(faults(program, line), [""; 0], "{line}");
        }
    }
}
