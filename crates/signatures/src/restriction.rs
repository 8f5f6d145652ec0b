//! The options of a key in a file of allowed signers: when it counts, and for what.

use std::time::{Duration, SystemTime};

/// The limits of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restriction {
    /// Whether the key vouches for certificates only.
    authority: bool,
    namespaces: Option<String>,
    after: Option<SystemTime>,
    before: Option<SystemTime>,
}

impl Restriction {
    /// Parses the options, which are separated by commas; a value may be in quotation marks.
    pub fn parse(options: &str) -> Result<Self, String> {
        let mut restriction = Restriction::default();
        for option in split(options) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
            let time = || time(value).ok_or_else(|| format!("has no valid time in {option}"));
            match name.to_ascii_lowercase().as_str() {
                "cert-authority" => restriction.authority = true,
                "namespaces" => restriction.namespaces = Some(value.to_owned()),
                "valid-after" => restriction.after = Some(time()?),
                "valid-before" => restriction.before = Some(time()?),
                _ => return Err(format!("has the unknown option {option}")),
            }
        }
        Ok(restriction)
    }

    /// Whether the key counts for this namespace at this time; else the reason.
    pub fn allows(&self, namespace: &str, now: SystemTime) -> Result<(), String> {
        if self.authority {
            return Err("which counts for certificates only".to_owned());
        }
        if let Some(namespaces) = &self.namespaces
            && !in_list(namespaces, namespace)
        {
            return Err(format!(
                "which counts for the namespaces {namespaces:?} only, not for {namespace:?}"
            ));
        }
        if self.after.is_some_and(|after| now < after) {
            return Err("which is not valid yet".to_owned());
        }
        if self.before.is_some_and(|before| now > before) {
            return Err("which has expired".to_owned());
        }
        Ok(())
    }
}

/// The parts between commas that are not in quotation marks.
fn split(options: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    options.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

/// Whether the text fits a list of patterns: one of them, and none with a `!` in front.
fn in_list(patterns: &str, text: &str) -> bool {
    let mut fits = false;
    for pattern in patterns.split(',').map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) if is_like(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => fits |= is_like(pattern.as_bytes(), text.as_bytes()),
        }
    }
    fits
}

/// Whether the text fits a pattern with `*` and `?`.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last `*` stands, and where in the text its match ends for now.
    let (mut star, mut p, mut t) = (None, 0, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, end)) = star else { return false };
                star = Some((at, end + 1));
                (p, t) = (at + 1, end + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// A time as `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in UTC. A `Z` or `UTC` may follow.
fn time(text: &str) -> Option<SystemTime> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_suffix("UTC").or_else(|| upper.strip_suffix('Z')).unwrap_or(&upper);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number = |at: usize, length: usize| {
        digits.get(at..at + length).map_or(Some(0), |part| part.parse::<u64>().ok())
    };
    let (year, month, day) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    let (hour, minute, second) = (number(8, 2)?, number(10, 2)?, number(12, 2)?);
    let valid = year >= 1970 && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // If years begin in March, the leap day is the last day of a year.
    let (from_march, years) = ((month + 9) % 12, if month > 2 { year } else { year - 1 });
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (from_march * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(days * 86400 + hour * 3600 + minute * 60 + second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [
            ("19700101", Some(0)),
            ("20261123221735", Some(1_795_472_255)),
            ("202611232217Z", Some(1_795_472_220)),
            ("20000229utc", Some(951_782_400)),
            ("21000301", Some(4_107_542_400)),
            ("2026", None),
            ("20261301", None),
            ("19691231", None),
            ("2026112324", None),
            ("202611232460", None),
            ("", None),
        ] {
            let expected = seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(time(text), expected, "{text}");
        }
    }

    #[test]
    fn patterns_fit_as_in_ssh() {
        for (patterns, text, fits) in [
            ("file", "file", true),
            ("git,file", "file", true),
            ("f?le", "file", true),
            ("*@example.org", "a@example.org", true),
            ("*e*e", "file-e", true),
            ("*,!file", "file", false),
            ("!git", "file", false),
            ("fil", "file", false),
            ("", "file", false),
        ] {
            assert_eq!(in_list(patterns, text), fits, "{patterns}");
        }
    }

    #[test]
    fn keys_count_in_their_time_and_for_their_purpose() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_472_255);
        for (options, reason) in [
            ("", None),
            ("namespaces=\"git,file\",valid-after=20200101,valid-before=\"20300101\"", None),
            ("NAMESPACES=\"git\"", Some("for the namespaces \"git\" only")),
            ("valid-after=20300101", Some("not valid yet")),
            ("valid-before=20200101", Some("expired")),
            ("cert-authority", Some("certificates only")),
        ] {
            let options =
                if options.is_empty() { Ok(Restriction::default()) } else { Restriction::parse(options) };
            match (options.unwrap().allows("file", now), reason) {
                (Ok(()), None) => {}
                (Err(found), Some(reason)) => assert!(found.contains(reason), "{found}"),
                (found, _) => panic!("{found:?}, not {reason:?}"),
            }
        }
        assert!(Restriction::parse("no-touch").unwrap_err().contains("unknown option no-touch"));
        assert!(Restriction::parse("valid-after=soon").unwrap_err().contains("no valid time"));
    }
}
