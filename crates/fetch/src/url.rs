//! URLs: taken apart, joined with redirections, and shown without secrets.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

/// A URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The scheme, in small letters.
    pub scheme: String,
    /// The decoded user and password.
    pub user: Option<(String, Option<String>)>,
    /// The host, without the brackets of an IPv6 address.
    pub host: String,
    /// The port, if the URL names one.
    pub port: Option<u16>,
    /// Path and query, encoded. It begins with a slash.
    target: String,
}

impl Url {
    /// Parses a URL; `None` if it is not valid. Characters that do not belong in a URL, such as spaces and letters beyond ASCII, are encoded.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = encoded(text);
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user_info(user)), address),
            None => (None, authority),
        };
        let (host, port) = match address.strip_prefix('[').and_then(|address| address.split_once(']')) {
            Some((host, port)) => (host, port),
            None => address.split_at(address.find(':').unwrap_or(address.len())),
        };
        let port = match port.strip_prefix(':').unwrap_or(port) {
            "" => None,
            number => Some(number.parse().ok()?),
        };
        if host.is_empty() {
            return None;
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Url {
            scheme: scheme.to_ascii_lowercase(),
            user,
            host: host.to_owned(),
            port,
            target: format!("{slash}{target}"),
        })
    }

    /// The URL to which a server redirects from this one; `None` if it is not valid.
    pub fn join(&self, location: &[u8]) -> Option<Self> {
        let location = encoded(location.trim_ascii());
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if is_absolute(&location) {
            return Url::parse(location.as_bytes());
        } else if location.starts_with("//") {
            return Url::parse(format!("{}:{location}", self.scheme).as_bytes());
        } else if location.starts_with('/') {
            location
        } else if location.starts_with('?') {
            format!("{path}{location}")
        } else if location.is_empty() || location.starts_with('#') {
            self.target.clone()
        } else {
            format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder))
        };
        let target = target.split('#').next().unwrap_or_default();
        Some(Url { target: without_dots(target), user: None, ..self.clone() })
    }

    /// Whether both lead to the same server.
    pub fn same_server(&self, other: &Url) -> bool {
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port() == other.port()
    }

    /// Whether the connection is protected.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The port that the URL names or means.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    /// Host and port as in the `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }

    /// Scheme, host and port.
    pub fn server(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// The URL without password, query and fragment, which may be secrets.
pub fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, address)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{address}{path}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

fn user_info(text: &str) -> (String, Option<String>) {
    let plain = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match text.split_once(':') {
        Some((user, password)) => (plain(user), Some(plain(password))),
        None => (plain(text), None),
    }
}

fn is_absolute(location: &str) -> bool {
    location.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// What does not belong in a URL, beside everything beyond ASCII.
const UNUSUAL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, UNUSUAL).to_string()
}

/// The path and query with `.` and `..` resolved in the path.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(part) = rest.next() {
        let last = rest.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    parts.pop();
                }
                if last {
                    parts.push("");
                }
            }
            part => parts.push(part),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Url {
        Url::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn urls_are_taken_apart() {
        let url = parse("HTTP://joe:p%40ss%20w:x@h:8080/a b/ü?q=1#f");
        assert_eq!(url.user, Some(("joe".into(), Some("p@ss w:x".into()))));
        assert_eq!((url.server().as_str(), url.target()), ("http://h:8080", "/a%20b/%C3%BC?q=1"));
        let url = parse("https://[::1]?q");
        assert_eq!((url.host.as_str(), url.port(), url.authority().as_str()), ("::1", 443, "[::1]"));
        assert_eq!(url.target(), "/?q");
        for bad in ["http://", "http:///a", "h", "http://h:99999/", "http://h:x/"] {
            assert!(Url::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn redirections_are_joined() {
        let base = parse("http://u:p@h/a/b/c?q");
        for (location, joined) in [
            ("https://o/x y", "https://o/x%20y"),
            ("//o/x", "http://o/x"),
            ("/x/ü?r#f", "http://h/x/%C3%BC?r"),
            ("?r", "http://h/a/b/c?r"),
            ("../d", "http://h/a/d"),
            ("./../../..", "http://h/"),
            ("x?to=http://o/", "http://h/a/b/x?to=http://o/"),
        ] {
            let url = base.join(location.as_bytes()).unwrap();
            assert_eq!(url.server() + url.target(), joined);
            assert_eq!(url.user, None);
        }
        assert!(base.join(b"https://").is_none());
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(shown("http://joe:s@h/a?token=s#s"), "http://joe@h/a");
        assert_eq!(shown("http://h?token=s"), "http://h");
        assert_eq!(shown("http://h/a@b"), "http://h/a@b");
    }
}
