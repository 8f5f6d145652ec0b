//! The environment inside. It is made anew, because the host's variables name files that are not there.

use std::ffi::OsString;

use super::Entry;
use super::account::Account;

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
        ("TERM".into(), host("TERM").unwrap_or_else(|| "dumb".into())),
        ("LANG".into(), "C.UTF-8".into()),
        ("PS1".into(), format!("({}) \\u@\\h:\\w\\$ ", entry.name).into()),
        // Debian's start-up files make their own prompt, and show this in it.
        ("debian_chroot".into(), entry.name.into()),
    ];
    variables.extend(KEPT.iter().filter_map(|name| Some((OsString::from(name), host(name)?))));
    variables
}
