//! The environment inside. It is made anew, because the host's variables name files that are not there.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::account::Account;
use super::{Entry, Power};

/// The search path for programs.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that hold inside as well: the kind of terminal, the time zone, and proxies.
const KEPT: [&str; 10] = [
    "COLORTERM",
    "TZ",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// All variables of the program inside.
pub fn of(entry: &Entry<'_>, account: &Account) -> Vec<(OsString, OsString)> {
    let host = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut variables: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), PATH.into()),
        ("HOME".into(), account.home.clone().into()),
        ("USER".into(), account.name.clone()),
        ("LOGNAME".into(), account.name.clone()),
        ("SHELL".into(), account.shell.clone().into()),
        ("TERM".into(), terminal(host("TERM").unwrap_or_else(|| "dumb".into()), entry)),
        ("LANG".into(), "C.UTF-8".into()),
        ("PS1".into(), format!("({}) \\u@\\h:\\w\\$ ", entry.name).into()),
        // Debian's start-up files make their own prompt, and show this in it.
        ("debian_chroot".into(), entry.name.into()),
    ];
    variables.extend(KEPT.iter().filter_map(|name| Some((OsString::from(name), host(name)?))));
    if entry.power != Power::Machine {
        for (name, value) in &mut variables {
            if let Some(bare) = without_password(name, value) {
                entry.observer.note(format!("the password in {} is not passed inside", name.display()));
                *value = bare;
            }
        }
    }
    variables
}

/// Where a system describes the terminals that it knows.
const TERMINALS: [&str; 4] = ["/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo"];

/// The kinds of terminals that nearly every terminal behaves like, the best first.
const USUAL: [&str; 3] = ["xterm-256color", "xterm", "vt100"];

/// The kind of terminal for the programs inside: the caller's if the system knows it, or if it describes none at all; else a usual one.
fn terminal(kind: OsString, entry: &Entry<'_>) -> OsString {
    let folders: Vec<&Path> = TERMINALS.iter().map(Path::new).filter(|folder| folder.is_dir()).collect();
    let known = |kind: &OsStr| {
        let letter = kind.as_bytes().first().copied().unwrap_or_default();
        let below = [char::from(letter).to_string(), format!("{letter:x}")];
        folders.iter().any(|folder| below.iter().any(|name| folder.join(name).join(kind).exists()))
    };
    if folders.is_empty() || known(&kind) {
        return kind;
    }
    let Some(usual) = USUAL.iter().find(|usual| known(usual.as_ref())) else { return kind };
    entry
        .observer
        .note(format!("terminals of the kind {} are not known inside; TERM is {usual}", kind.display()));
    (*usual).into()
}

/// The address of a proxy without the user and password in it; `None` if it has none.
fn without_password(name: &OsStr, value: &OsStr) -> Option<OsString> {
    name.to_str()
        .filter(|name| name.to_lowercase().ends_with("_proxy") && !name.eq_ignore_ascii_case("no_proxy"))?;
    let value = value.as_bytes();
    let begin = value.windows(3).position(|part| part == b"://").map_or(0, |at| at + 3);
    let end = value[begin..].iter().position(|&byte| byte == b'/').map_or(value.len(), |at| begin + at);
    let at = begin + value[begin..end].iter().rposition(|&byte| byte == b'@')?;
    Some(OsString::from_vec([&value[..begin], &value[at + 1..]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_proxy_is_taken_out() {
        for (name, value, bare) in [
            ("http_proxy", "http://joe:p@ss@proxy:3128/", Some("http://proxy:3128/")),
            ("ALL_PROXY", "joe:secret@proxy", Some("proxy")),
            ("http_proxy", "http://proxy:3128/a@b", None),
            ("no_proxy", "a@b", None),
            ("PS1", "\\u@\\h", None),
        ] {
            assert_eq!(
                without_password(name.as_ref(), value.as_ref()),
                bare.map(Into::into),
                "{name}={value}"
            );
        }
    }
}
