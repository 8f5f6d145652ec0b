//! The line that shows how a command is typed, with the values of its options.

use clap::{Arg, ArgAction, Command};

/// The synopsis of a command that is built.
pub fn of(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut words = vec![name.to_owned()];
    let choices: Vec<_> = command.get_groups().filter(|group| group.is_required_set()).collect();
    let is_choice = |arg: &Arg| choices.iter().any(|group| group.get_args().any(|id| id == arg.get_id()));
    let shown = |arg: &&Arg| !arg.is_hide_set() && !is_question(arg);
    let (options, positionals): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(shown).partition(|arg| !arg.is_positional());
    for option in options.iter().filter(|option| !is_choice(option)) {
        words.push(bracketed(option, &typed(option)));
    }
    for group in &choices {
        let members = options.iter().filter(|option| group.get_args().any(|id| id == option.get_id()));
        words.push(format!("{{{}}}", members.map(|option| typed(option)).collect::<Vec<_>>().join("|")));
    }
    words.extend(positionals.iter().map(|positional| bracketed(positional, &typed(positional))));
    if command.has_subcommands() {
        words.push("COMMAND [ARGUMENT...]".to_owned());
    }
    words.join(" ")
}

/// Whether it asks for help or the version, which every program answers.
fn is_question(arg: &Arg) -> bool {
    use ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(arg.get_action(), Help | HelpLong | HelpShort | Version)
}

fn bracketed(arg: &Arg, text: &str) -> String {
    let text = if repeats(arg) { format!("{text}...") } else { text.to_owned() };
    if arg.is_required_set() { text } else { format!("[{text}]") }
}

fn repeats(arg: &Arg) -> bool {
    let several = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    several || matches!(arg.get_action(), ArgAction::Append | ArgAction::Count)
}

/// An argument without brackets: `--volume PATH`.
fn typed(arg: &Arg) -> String {
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => Some(format!("--{long}")),
        (None, short) => short.map(|short| format!("-{short}")),
    };
    let takes_value = arg.get_num_args().is_some_and(|range| range.takes_values());
    let value = takes_value.then(|| value(arg));
    let end = arg.is_last_set().then(|| "--".to_owned());
    end.into_iter().chain(name).chain(value).collect::<Vec<_>>().join(" ")
}

fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|names| names.join(" "));
    let name = names.unwrap_or_else(|| arg.get_id().as_str().to_uppercase());
    let is_optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    if is_optional && !arg.is_positional() { format!("[{name}]") } else { name }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgGroup, Command};

    use super::*;

    #[test]
    fn options_have_their_values() {
        let mut command = Command::new("x")
            .version("1")
            .arg(Arg::new("all").short('a').long("all").action(ArgAction::SetTrue))
            .arg(Arg::new("bind").long("bind").value_name("SRC[:DST]").action(ArgAction::Append))
            .arg(Arg::new("keep").long("keep").value_name("N"))
            .arg(Arg::new("older").long("older-than").value_name("AGE"))
            .group(ArgGroup::new("old").args(["keep", "older"]).required(true))
            .arg(Arg::new("place").required(true))
            .arg(Arg::new("command").last(true).num_args(1..));
        command.build();
        let expected = "x [--all] [--bind SRC[:DST]...] {--keep N|--older-than AGE} PLACE [-- COMMAND...]";
        assert_eq!(of(&command), expected);
    }
}
