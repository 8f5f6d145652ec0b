//! The location of a machine, as its user writes it: what ssh takes, or a URI.

use std::ffi::OsStr;
use std::fmt;

use system::error::{Error, Result};

/// A machine, and who logs in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The location as it was given.
    shown: String,
    /// `USER@HOST` or `HOST`, as ssh takes it.
    host: String,
    port: Option<u16>,
}

/// The beginning of a URI.
const SCHEME: &str = "ssh://";

impl Destination {
    /// Parses a location: `[USER@]HOST`, or `ssh://[USER@]HOST[:PORT]`, where an IPv6 address has brackets.
    pub fn parse(location: &OsStr) -> Result<Self> {
        let refused =
            |how: &str| Error::refused(format!("invalid location {:?}; {how}", location.to_string_lossy()));
        let usual = "give it as ssh takes it, root@HOST, or as ssh://root@HOST:PORT";
        let text = location.to_str().ok_or_else(|| refused(usual))?;
        // It is not repeated, because messages are kept where others read them.
        let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
        if split_user(authority).0.is_some_and(|user| user.contains(':')) {
            return Err(Error::refused(
                "the location has a password, which ssh does not take; give root@HOST or ssh://root@HOST:PORT, and use a key",
            ));
        }
        let is_uri = text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME));
        let (host, port) = if is_uri {
            let parsed = uri(&text[SCHEME.len()..]);
            parsed.ok_or_else(|| {
                refused("use ssh://root@HOST:PORT; an IPv6 address has brackets: ssh://root@[::1]:22")
            })?
        } else {
            let (_, host) = split_user(text);
            // A name or an IPv4 address has no colon, and an IPv6 address has two or more.
            if host.starts_with('[') || host.matches(':').count() == 1 {
                return Err(refused(&format!("write a port as a URI: {SCHEME}{text}")));
            }
            (text.to_owned(), None)
        };
        let (user, name) = split_user(&host);
        let is_option = |part: &str| part.starts_with('-');
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if name.is_empty()
            || is_option(name)
            || user.is_some_and(|user| user.is_empty() || is_option(user))
            || host.contains(is_odd)
        {
            return Err(refused(usual));
        }
        Ok(Destination { shown: text.to_owned(), host, port })
    }

    /// The arguments of ssh that name the machine. ssh looks up `HOST` in its configuration and among the known hosts.
    pub fn arguments(&self) -> Vec<String> {
        let port = self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]);
        port.chain(["--".to_owned(), self.host.clone()]).collect()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The user, if there is one, and the host. A user may contain `@`.
fn split_user(text: &str) -> (Option<&str>, &str) {
    match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    }
}

/// Parses the part of a URI after the scheme; `None` if it is not one of ssh's.
fn uri(text: &str) -> Option<(String, Option<u16>)> {
    let (user, place) = split_user(text.strip_suffix('/').unwrap_or(text));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (
                address.contains(':').then_some(address)?,
                if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) },
            )
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = port
        .map(|port| port.parse().ok().filter(|&port| port > 0 && !text.contains('+')))
        .map_or(Some(None), |port| port.map(Some))?;
    let host = decoded(host)?;
    if host.contains(['/', '@', '?', '#']) {
        return None;
    }
    let whole = match user {
        Some(user) if user.contains([':', '/']) => return None,
        Some(user) => format!("{}@{host}", decoded(user)?),
        None => host,
    };
    Some((whole, port))
}

/// The text with `%XX` replaced by the bytes that they stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(location: &str) -> Result<Vec<String>, String> {
        let destination = Destination::parse(location.as_ref()).map_err(|error| error.to_string())?;
        assert_eq!(destination.to_string(), location);
        Ok(destination.arguments())
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for location in ["ssh://root:hush@host", "root:hush@host", "SSH://me:hush@host:22"] {
            let told = parsed(location).unwrap_err();
            assert!(told.contains("has a password") && !told.contains("hush"), "{told}");
        }
    }

    #[test]
    fn locations_become_arguments_of_ssh() {
        for (location, arguments) in [
            ("root@host", &["--", "root@host"][..]),
            ("host", &["--", "host"]),
            ("root@fe80::1%eth0", &["--", "root@fe80::1%eth0"]),
            ("a@example.org@host", &["--", "a@example.org@host"]),
            ("ssh://host", &["--", "host"]),
            ("SSH://root@host/", &["--", "root@host"]),
            ("ssh://root@host:2222", &["-p", "2222", "--", "root@host"]),
            ("ssh://root@[::1]:2222", &["-p", "2222", "--", "root@::1"]),
            ("ssh://root@[fe80::1%25eth0]", &["--", "root@fe80::1%eth0"]),
            ("ssh://a%40b@host", &["--", "a@b@host"]),
        ] {
            assert_eq!(parsed(location).unwrap(), arguments, "{location}");
        }
    }

    #[test]
    fn other_locations_are_refused_with_a_way_to_write_them() {
        for (location, hint) in [
            ("", "root@HOST"),
            ("-oProxyCommand=x", "root@HOST"),
            ("root@", "root@HOST"),
            ("@host", "root@HOST"),
            ("root@-x", "root@HOST"),
            ("root@a b", "root@HOST"),
            ("root@127.0.0.1:2222", "ssh://root@127.0.0.1:2222"),
            ("host:22", "ssh://host:22"),
            ("root@[::1]:22", "ssh://root@[::1]:22"),
            ("ssh://", "root@HOST"),
            ("ssh://root@host:0", "ssh://root@HOST:PORT"),
            ("ssh://root@host:65536", "ssh://root@HOST:PORT"),
            ("ssh://root@host:", "ssh://root@HOST:PORT"),
            ("ssh://root@host:+2", "ssh://root@HOST:PORT"),
            ("ssh://root@::1", "ssh://root@[::1]:22"),
            ("ssh://root@[host]", "brackets"),
            ("ssh://root@[::1]22", "brackets"),
            ("ssh://root:password@host", "ssh://root@HOST:PORT"),
            ("ssh://host/path", "ssh://root@HOST:PORT"),
            ("ssh://%2doProxyCommand=x", "root@HOST"),
            ("ssh://a%0ab@host", "root@HOST"),
            ("ssh://a%4", "ssh://root@HOST:PORT"),
        ] {
            let message = parsed(location).unwrap_err();
            assert!(message.contains(hint), "{location}: {message}");
        }
    }
}
