//! `.netrc`: names and passwords of servers.

use std::iter::Peekable;
use std::path::PathBuf;
use std::str::Chars;

use system::error::Result;

use crate::small::read_small;

/// The user and password for the host in `$NETRC`, or else in `~/.netrc`. If the user is known, only an entry for that user counts.
pub fn find(host: &str, user: Option<&str>) -> Result<Option<(String, String)>> {
    if let Some(path) = std::env::var_os("NETRC").map(PathBuf::from) {
        return Ok(read_small(&path)?.and_then(|bytes| entry(&String::from_utf8_lossy(&bytes), host, user)));
    }
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else { return Ok(None) };
    match read_small(&home.join(".netrc")) {
        // The home of another user has nothing for this one.
        Err(error) if error.os_error().is_some() => Ok(None),
        read => Ok(read?.and_then(|bytes| entry(&String::from_utf8_lossy(&bytes), host, user))),
    }
}

/// The user and password for the host in the text of a `.netrc`.
pub fn entry(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
    let mut words = Words(text.chars().peekable());
    // The entry that is read: user and password, if it is for this host.
    let mut current: Option<(Option<String>, Option<String>)> = None;
    let done = |entry: &mut Option<(Option<String>, Option<String>)>| {
        let (login, password) = entry.take()?;
        let login = login.or_else(|| user.map(str::to_owned)).unwrap_or_default();
        user.is_none_or(|user| user == login).then(|| (login, password.unwrap_or_default()))
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "machine" | "default" => {
                if let Some(found) = done(&mut current) {
                    return Some(found);
                }
                let ours = word == "default" || words.next()?.eq_ignore_ascii_case(host);
                current = ours.then_some((None, None));
            }
            "macdef" => words.skip_macro(),
            comment if comment.starts_with('#') => words.skip_line(),
            "login" | "user" | "password" | "passwd" | "account" => {
                let value = words.next()?;
                match (&mut current, word.as_str()) {
                    (Some((login, _)), "login" | "user") => *login = Some(value),
                    (Some((_, password)), "password" | "passwd") => *password = Some(value),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    done(&mut current)
}

/// The words of the file: separated by white space, or in quotation marks. A word in the place of a name that begins with `#` begins a comment.
struct Words<'a>(Peekable<Chars<'a>>);

impl Words<'_> {
    /// Skips a macro, which ends with an empty line.
    fn skip_macro(&mut self) {
        let mut empty = false;
        for c in self.0.by_ref() {
            match c {
                '\n' if empty => return,
                '\n' => empty = true,
                '\r' => {}
                _ => empty = false,
            }
        }
    }

    fn skip_line(&mut self) {
        while self.0.next_if(|c| *c != '\n').is_some() {}
    }

    fn quoted(&mut self) -> String {
        let mut word = String::new();
        self.0.next();
        while let Some(c) = self.0.next() {
            match c {
                '"' => break,
                '\\' => match self.0.next() {
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    Some(other) => word.push(other),
                    None => {}
                },
                c => word.push(c),
            }
        }
        word
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            match self.0.peek()? {
                c if c.is_whitespace() => {
                    self.0.next();
                }
                '"' => return Some(self.quoted()),
                _ => break,
            }
        }
        let mut word = String::new();
        while let Some(c) = self.0.next_if(|c| !c.is_whitespace()) {
            word.push(c);
        }
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# of all machines
machine a.example login joe password pw # 1
machine b.example
    login \"ann e\"
    password \"q\\\"#x\"
macdef init
machine c.example login no password no

machine b.example login bob password two
machine d.example password #alone
default login anonymous password guest
";

    #[test]
    fn entries_are_found_by_host_and_user() {
        for (host, user, found) in [
            ("a.example", None, Some(("joe", "pw"))),
            ("A.EXAMPLE", Some("joe"), Some(("joe", "pw"))),
            ("b.example", None, Some(("ann e", "q\"#x"))),
            ("b.example", Some("bob"), Some(("bob", "two"))),
            ("d.example", None, Some(("", "#alone"))),
            ("c.example", None, Some(("anonymous", "guest"))),
            ("a.example", Some("eve"), None),
        ] {
            let expected = found.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(entry(FILE, host, user), expected, "{host}");
        }
        assert_eq!(entry("machine h", "h", None), Some((String::new(), String::new())));
        assert_eq!(entry("machine h login", "h", None), None);
        assert_eq!(entry("machine", "h", None), None);
    }
}
