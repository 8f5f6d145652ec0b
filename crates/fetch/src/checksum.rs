//! SHA-256 sums: parsed from text, found in files beside archives, and computed while bytes are read.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use sha2::{Digest, Sha256};
use system::error::{Error, Result};

use crate::refusal::Refusal;

/// A SHA-256 sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum([u8; 32]);

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::refused(format!("invalid SHA-256 sum {:?}: use 64 characters of 0-9 a-f", shortened(text)))
        })
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Checksum {
    /// Whether the text has any sum.
    pub fn is_list(text: &str) -> bool {
        text.lines().any(|text| line(text).is_some())
    }

    /// The sum of the file `name` in a list of `sha256sum` (`SUM  NAME`, or only one sum), in a list in BSD's style (`SHA256 (NAME) = SUM`),
    /// or in one of openssl (`SHA2-256(NAME)= SUM`). A name without folders counts before one with folders. `shown` is the name of the list.
    pub fn in_list(list: &str, name: &str, shown: &str) -> Result<Self> {
        let lines: Vec<(Checksum, Option<&str>)> = list.lines().filter_map(line).collect();
        let named = |is_name: &dyn Fn(&str) -> bool| -> Vec<Checksum> {
            lines.iter().filter(|(_, of)| of.is_some_and(is_name)).map(|(sum, _)| *sum).collect()
        };
        let mut sums = named(&|of| of.strip_prefix("./").unwrap_or(of) == name);
        if sums.is_empty() {
            sums = named(&|of| of.rsplit('/').next() == Some(name));
        }
        if let ([(sum, None)], true) = (lines.as_slice(), sums.is_empty()) {
            sums.push(*sum);
        }
        let (list, name) = (shown.to_owned(), name.to_owned());
        match sums.as_slice() {
            [] => Err(Refusal::NotInList { list, name }.into()),
            [sum, others @ ..] if others.iter().all(|other| other == sum) => Ok(*sum),
            _ => Err(Refusal::Ambiguous { list, name }.into()),
        }
    }

    /// Fails unless this is the expected sum of `shown`.
    pub fn verify(self, expected: Checksum, shown: &str) -> Result<()> {
        if self == expected {
            return Ok(());
        }
        let (found, expected) = (self.to_string(), expected.to_string());
        Err(Refusal::Mismatch { name: shown.to_owned(), found, expected }.into())
    }
}

fn parse(text: &str) -> Option<Checksum> {
    let digits = text.as_bytes();
    let mut sum = [0; 32];
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in sum.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Checksum(sum))
}

/// The sum in a line, and the name of its file.
fn line(line: &str) -> Option<(Checksum, Option<&str>)> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if let Some((algorithm, rest)) = line.split_once('(')
        && ["SHA256", "SHA2-256", "SHA-256"].iter().any(|name| algorithm.trim().eq_ignore_ascii_case(name))
        && let Some((name, sum)) = rest.rsplit_once(')')
    {
        let name = Some(name).filter(|name| !["stdin", "-"].contains(name));
        return Some((parse(sum.trim().strip_prefix('=')?.trim())?, name));
    }
    let line = line.strip_prefix('\\').unwrap_or(line);
    let Some((sum, name)) = line.split_once(char::is_whitespace) else { return Some((parse(line)?, None)) };
    let name = name.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    Some((parse(sum)?, Some(name).filter(|name| *name != "-")))
}

fn shortened(text: &str) -> String {
    text.chars().take(70).collect()
}

/// A reader that computes the sum of its bytes.
pub struct Hashing<R> {
    reader: R,
    hash: Sha256,
}

impl<R> Hashing<R> {
    /// A reader that has read nothing yet.
    pub fn new(reader: R) -> Self {
        Hashing { reader, hash: Sha256::new() }
    }

    /// The sum of all bytes that were read.
    pub fn finish(self) -> Checksum {
        Checksum(self.hash.finalize().into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn bytes_are_summed_up_while_they_are_read() {
        let mut hashing = Hashing::new(&b"abc"[..]);
        io::copy(&mut hashing, &mut io::sink()).unwrap();
        assert_eq!(hashing.finish().to_string(), SUM);
    }

    #[test]
    fn sums_are_found_in_lists_of_every_style() {
        let other = "0".repeat(64);
        for list in [
            SUM.to_owned(),
            format!("{}\n", SUM.to_uppercase()),
            format!("{other}  other.tar\n{SUM}  a.tar\n"),
            format!("{SUM} *./dir/a.tar\n"),
            format!("{other}  old/a.tar\n{SUM}  ./a.tar\n"),
            format!("{SUM}  a.tar\n{SUM}  a.tar\n"),
            format!("SHA256 (a.tar) = {SUM}\n"),
            format!("SHA256(dir/a.tar)= {SUM}\n"),
            format!("SHA2-256(a.tar)= {SUM}\r\n"),
            format!("SHA2-256(stdin)= {SUM}\n"),
            format!("\u{feff}{SUM}  -\n"),
        ] {
            assert_eq!(Checksum::in_list(&list, "a.tar", "a.tar.sha256").unwrap().to_string(), SUM, "{list}");
        }
    }

    #[test]
    fn lists_without_the_sum_are_refused() {
        for list in ["", "<html>", &SUM[1..], &format!("{SUM}  other.tar"), &format!("{SUM}\n{SUM}\n")] {
            let message = Checksum::in_list(list, "a.tar", "a.tar.sha256").unwrap_err().to_string();
            assert!(message.starts_with("a.tar.sha256: has no SHA-256 sum of a.tar"), "{message}");
        }
        let other = "0".repeat(64);
        for list in [format!("{SUM}  a.tar\n{other}  a.tar\n"), format!("{SUM}  x/a.tar\n{other}  y/a.tar\n")]
        {
            let message = Checksum::in_list(&list, "a.tar", "list").unwrap_err().to_string();
            assert_eq!(message, "list: has different SHA-256 sums of a.tar");
        }
        assert!("xyz".parse::<Checksum>().unwrap_err().to_string().contains("64 characters"));
    }

    #[test]
    fn a_mismatch_shows_both_sums() {
        let (is, wanted): (Checksum, Checksum) = (SUM.parse().unwrap(), "0".repeat(64).parse().unwrap());
        is.verify(is, "a.tar").unwrap();
        let message = is.verify(wanted, "a.tar").unwrap_err().to_string();
        assert!(message.contains(SUM) && message.contains(&"0".repeat(64)), "{message}");
    }
}
