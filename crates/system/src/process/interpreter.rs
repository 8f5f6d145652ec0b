//! The interpreters of scripts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{OrCannot, Result};

/// The program that runs a script, as the script's first line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The program.
    pub program: PathBuf,
    /// Its first argument, before the script. The kernel passes all words after the program as one.
    pub argument: Option<OsString>,
}

/// The most that the kernel reads of the first line, in bytes.
const LONGEST: u64 = 256;

impl Interpreter {
    /// The interpreter of the file; `None` if it is not a script.
    pub fn of(path: &Path) -> Result<Option<Interpreter>> {
        let mut start = Vec::new();
        let file = File::open(path).or_cannot("open", path)?;
        file.take(LONGEST).read_to_end(&mut start).or_cannot("read", path)?;
        Ok(parse(&start))
    }
}

fn parse(start: &[u8]) -> Option<Interpreter> {
    let line = start.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = line.trim_ascii_start();
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    let (program, rest) = line.split_at(end);
    let first = rest.iter().position(|byte| !is_blank(byte)).unwrap_or(rest.len());
    let last = rest.iter().rposition(|byte| !is_blank(byte)).map_or(first, |last| last + 1);
    let argument = &rest[first..last];
    (!program.is_empty()).then(|| Interpreter {
        program: OsStr::from_bytes(program).into(),
        argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_interpreter() {
        for (start, expected) in [
            ("#!/bin/sh\necho", Some(("/bin/sh", None))),
            ("#! /usr/bin/env\tpython3 -u \nx", Some(("/usr/bin/env", Some("python3 -u")))),
            ("#!/bin/sh\r\n", Some(("/bin/sh\r", None))),
            ("#!/bin/sh", Some(("/bin/sh", None))),
            ("#!\necho", None),
            ("echo", None),
            ("", None),
        ] {
            let expected = expected.map(|(program, argument): (&str, Option<&str>)| Interpreter {
                program: program.into(),
                argument: argument.map(OsString::from),
            });
            assert_eq!(parse(start.as_bytes()), expected, "{start:?}");
        }
    }
}
