//! The kernel's command line.

use system::error::Result;

use crate::label::ExistingLabel;
use crate::layout::{RUN, SYSTEMS};
use crate::refusal::Refusal;

/// The longest command line that x86 kernels take, in bytes.
const MAX_LENGTH: usize = 2047;

/// The beginning of every command line.
const FIXED: [&str; 3] = ["rw", "init=/sbin/init", "rootfstype=btrfs"];
/// The parameters that say what boots. They are the version's own, and the last one of a name would count.
const OWN: [&str; 5] = ["root=", "rootfstype=", "init=", "rw", "ro"];
/// The parameter with the options of the root filesystem. The version's subvolume is one of them.
const ROOT_FLAGS: &str = "rootflags=";
/// The options that choose a subvolume.
const SUBVOLUME: [&str; 2] = ["subvol=", "subvolid="];

/// The command line of a version. Its `run` becomes the root filesystem on the device `root` (`UUID=…`, `PARTUUID=…`, `/dev/sda`).
/// `arguments` come last. Mount options among them are added to those of the version.
pub fn compose(label: &ExistingLabel, root: &str, arguments: &str) -> Result<String> {
    check(arguments)?;
    let fixed = FIXED.join(" ");
    let (mut flags, mut rest) = (vec![subvolume(label)], Vec::new());
    for word in words(arguments) {
        match word.strip_prefix(ROOT_FLAGS) {
            Some(options) => flags.extend(other_options(options).map(str::to_owned)),
            None => rest.push(word),
        }
    }
    let line = format!("{fixed} {ROOT_FLAGS}{} root={root} {}", flags.join(","), rest.join(" "));
    let line = line.trim_end().to_owned();
    check(&line)?;
    Ok(line)
}

/// Refuses arguments that would change what boots. Others may have been inherited from an old menu, and stay as they are.
pub fn check_arguments(arguments: &str) -> Result<()> {
    check(arguments)?;
    for word in words(arguments) {
        // The kernel ignores a mark at the beginning of a word.
        let (bare, is_quoted) = (word.trim_matches('"'), word.contains('"'));
        let options = bare.strip_prefix(ROOT_FLAGS);
        let is_wrong = |options: &str| is_quoted || options.split(',').any(is_subvolume);
        if is_own(bare) || options.is_some_and(is_wrong) {
            return Err(Refusal::OwnArgument { argument: word.to_owned() }.into());
        }
    }
    Ok(())
}

/// Whether a command line can name the `run` of a version with this label: it separates words by spaces, and mount options by commas.
pub fn can_name(label: &ExistingLabel) -> bool {
    !label.as_str().contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | ','))
}

/// Whether this line mounts the `run` of the version as the root filesystem.
pub fn boots(line: &str, label: &ExistingLabel) -> bool {
    let flags = words(line).filter_map(|word| word.strip_prefix(ROOT_FLAGS)).last().unwrap_or_default();
    let subvolumes: Vec<&str> = flags.split(',').filter(|option| is_subvolume(option)).collect();
    let has_root = words(line).any(|word| word.strip_prefix("root=").is_some_and(|root| !root.is_empty()));
    let is_own = |option: &str| option.replacen("=/", "=", 1) == subvolume(label);
    has_root && check(line).is_ok() && subvolumes.last().is_some_and(|option| is_own(option))
}

/// Refuses a command line that a boot loader or the kernel would cut or misread.
fn check(line: &str) -> Result<()> {
    if line.contains(['\n', '\r', '\0']) {
        return Err(Refusal::CommandLineBroken.into());
    }
    if !is_closed(line) {
        return Err(Refusal::CommandLineUnclosed.into());
    }
    if line.len() > MAX_LENGTH {
        return Err(Refusal::CommandLineTooLong { length: line.len(), most: MAX_LENGTH }.into());
    }
    Ok(())
}

/// Splits a command line into the root device and the arguments that [`compose`] would not write itself. A quotation mark that is not closed
/// is closed at the end, as the kernel takes it.
pub fn take_apart(line: &str) -> (Option<String>, String) {
    let (mut root, mut flags, mut arguments) = (None, Vec::new(), Vec::new());
    let closed = if is_closed(line) { line.to_owned() } else { format!("{line}\"") };
    for word in words(&closed) {
        if let Some(device) = word.strip_prefix("root=") {
            root = Some(device.to_owned());
        } else if let Some(options) = word.strip_prefix(ROOT_FLAGS) {
            flags.extend(other_options(options).map(str::to_owned));
        } else if !FIXED.contains(&word) {
            arguments.push(word.to_owned());
        }
    }
    if !flags.is_empty() {
        arguments.push(format!("{ROOT_FLAGS}{}", flags.join(",")));
    }
    (root, arguments.join(" "))
}

/// The arguments that a new version inherits from one that boots with this line: those of `line`, but what says what boots only if it is in
/// `recorded`, the arguments of the version's record.
pub fn inherited(line: &str, recorded: &str) -> String {
    let arguments = take_apart(line).1;
    let known: Vec<&str> = words(recorded).collect();
    words(&arguments).filter(|word| !is_own(word) || known.contains(word)).collect::<Vec<_>>().join(" ")
}

/// The words of `line` that are not in `other`, as a note names them.
pub fn words_beyond<'l>(line: &'l str, other: &str) -> Vec<&'l str> {
    let known: Vec<&str> = words(other).collect();
    words(line).filter(|word| !known.contains(word)).collect()
}

/// The words of a command line. As for the kernel, a space between quotes belongs to the word.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let ends = move |c: char| {
        quoted ^= c == '"';
        !quoted && c.is_whitespace()
    };
    line.split(ends).filter(|word| !word.is_empty())
}

/// Whether every quotation mark is closed. The kernel takes everything after an open one as a single word.
fn is_closed(line: &str) -> bool {
    line.matches('"').count().is_multiple_of(2)
}

fn subvolume(label: &ExistingLabel) -> String {
    format!("subvol={SYSTEMS}/{label}/{RUN}")
}

fn is_subvolume(option: &str) -> bool {
    SUBVOLUME.iter().any(|name| option.starts_with(name))
}

fn is_own(word: &str) -> bool {
    OWN.iter().any(|own| if own.ends_with('=') { word.starts_with(own) } else { word == *own })
}

/// The mount options that choose no subvolume.
fn other_options(options: &str) -> impl Iterator<Item = &str> {
    options.split(',').filter(|option| !option.is_empty() && !is_subvolume(option))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_as_documented_and_taken_apart_again() {
        let label = "devel".parse().unwrap();
        let line = compose(&label, "UUID=1", "console=ttyS0 quiet").unwrap();
        assert_eq!(
            line,
            "rw init=/sbin/init rootfstype=btrfs rootflags=subvol=systems/devel/run root=UUID=1 console=ttyS0 quiet"
        );
        assert_eq!(take_apart(&line), (Some("UUID=1".into()), "console=ttyS0 quiet".into()));
    }

    #[test]
    fn what_would_not_boot_is_refused() {
        let label = ExistingLabel::factory();
        assert!(compose(&label, "/dev/sda", &"x".repeat(2000)).unwrap_err().to_string().contains("2047"));
        assert!(compose(&label, "/dev/sda", "a\nb").unwrap_err().to_string().contains("newline"));
        assert!(compose(&label, "/dev/sda", "").unwrap().ends_with("root=/dev/sda"));
        assert!(compose(&label, "/dev/sda", "a=\"b c").unwrap_err().to_string().contains("not closed"));
        assert!(!boots("rootflags=subvol=systems/factory/run root=/dev/sda a=\"b", &label));
    }

    #[test]
    fn mount_options_join_those_of_the_version() {
        let label = "devel".parse().unwrap();
        let line =
            compose(&label, "UUID=1", "quiet rootflags=compress=zstd:1,noatime rootflags=ssd a=\"b  c\"")
                .unwrap();
        let (fixed, flags) =
            (FIXED.join(" "), "rootflags=subvol=systems/devel/run,compress=zstd:1,noatime,ssd");
        assert_eq!(line, format!("{fixed} {flags} root=UUID=1 quiet a=\"b  c\""));
        let (root, arguments) = take_apart(&line);
        assert_eq!(arguments, "quiet a=\"b  c\" rootflags=compress=zstd:1,noatime,ssd");
        assert_eq!(compose(&label, &root.unwrap(), &arguments).unwrap(), line);
        assert!(boots(&line, &label) && !boots(&line, &ExistingLabel::factory()));
    }

    #[test]
    fn arguments_that_change_what_boots_are_refused_by_name() {
        for (arguments, named) in [
            ("quiet root=/dev/sdb", "root=/dev/sdb"),
            ("rootfstype=ext4", "rootfstype=ext4"),
            ("init=/bin/sh quiet", "init=/bin/sh"),
            ("ro", "ro"),
            ("rw", "rw"),
            ("rootflags=noatime,subvol=@", "rootflags=noatime,subvol=@"),
            ("rootflags=subvolid=256", "rootflags=subvolid=256"),
            ("\"root=/dev/sdb\"", "\"root=/dev/sdb\""),
            ("\"ro\"", "\"ro\""),
            ("rootflags=\"subvol=@\"", "rootflags=\"subvol=@\""),
        ] {
            let error = check_arguments(arguments).unwrap_err().to_string();
            assert!(error.contains(&format!("{named:?}")), "{arguments}: {error}");
        }
        for arguments in
            ["", "quiet", "rootflags=noatime", "rootwait rootdelay=3 rdinit=/init rose rwx", "a=\"b ro c\""]
        {
            check_arguments(arguments).unwrap();
        }
    }

    #[test]
    fn what_an_old_line_has_stays_and_never_grows() {
        let label = ExistingLabel::factory();
        for line in [
            "root=/dev/sda rootfstype=btrfs rootflags=subvol=systems/default/run,compress=lzo quiet ro init=/lib/systemd/systemd",
            "root=/dev/sda rootflags=subvol=systems/my version/run quiet",
            "root=/dev/sda rootflags=subvolid=256 root=/dev/sdb",
            "root=\"a b",
        ] {
            let again = |line: &str| {
                let (root, arguments) = take_apart(line);
                compose(&label, &root.unwrap(), &arguments).unwrap()
            };
            let once = again(line);
            assert_eq!(again(&once), once, "{line}");
            assert!(boots(&once, &label), "{once}");
        }
    }

    #[test]
    fn labels_that_a_command_line_cannot_name() {
        for (label, can) in
            [("factory", true), ("a.b_c-d", true), ("ä", true), ("my version", false), ("a,b", false)]
        {
            assert_eq!(can_name(&label.parse().unwrap()), can, "{label}");
        }
    }

    #[test]
    fn a_new_version_inherits_what_was_added_by_hand() {
        let line = "rw rootflags=subvol=systems/a/run root=/dev/sda quiet nomodeset init=/bin/sh";
        assert_eq!(inherited(line, "quiet"), "quiet nomodeset");
        assert_eq!(inherited(line, "quiet init=/bin/sh"), "quiet nomodeset init=/bin/sh");
        assert_eq!(words_beyond("a b c", "b d"), ["a", "c"]);
    }
}
