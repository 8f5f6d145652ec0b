//! The environment inside: made anew, since the host's variables name things that are not there.

use std::ffi::OsString;

use super::Entry;
use super::account::Account;

/// Where programs are looked for.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is true inside as well: the terminal's kind, and how to reach the network.
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
        ("TERM".into(), host("TERM").unwrap_or_else(|| "dumb".into())),
        ("LANG".into(), "C.UTF-8".into()),
        ("PS1".into(), format!("({}) \\u@\\h:\\w\\$ ", entry.name).into()),
        // Debian's start-up files make a prompt of their own, with this in it.
        ("debian_chroot".into(), entry.name.into()),
    ];
    variables.extend(KEPT.iter().filter_map(|name| Some((OsString::from(name), host(name)?))));
    variables
}
