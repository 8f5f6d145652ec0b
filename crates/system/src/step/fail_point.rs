//! Fail points, only for tests. Each step is listed and can be made to fail.

use std::fs::File;
use std::io::{self, Write};
use std::panic::panic_any;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, raise};

#[cfg(not(debug_assertions))]
compile_error!("fail points are for tests: what is installed has none");

/// The variable with the number of the step that fails, and the kind of failure: `N:error`, `N:nospace`, `N:panic`, `N:kill`, or
/// `N:broken`. With `broken` every later step fails too.
const FAIL: &str = "BASEROCK_FAIL";
/// The variable with the file to which steps are appended, one line each: `NUMBER ACTION PATH`.
const STEPS: &str = "BASEROCK_STEPS";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Error,
    NoSpace,
    Panic,
    Kill,
    Broken,
}

/// Counts the step, lists it, and makes it fail if the variable says so.
pub fn pass(action: &str, path: &Path) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(list) = list()? {
        let mut list = list;
        list.write_all(format!("{number} {action} {}\n", path.display()).as_bytes())?;
    }
    match fail()? {
        Some((wanted, Failure::Broken)) if number >= wanted => Err(io::Error::from_raw_os_error(libc::EIO)),
        Some((wanted, failure)) if number == wanted => failure.strike(action, path),
        _ => Ok(()),
    }
}

impl Failure {
    fn strike(self, action: &str, path: &Path) -> io::Result<()> {
        match self {
            Failure::Error | Failure::Broken => Err(io::Error::from_raw_os_error(libc::EIO)),
            Failure::NoSpace => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            Failure::Panic => panic_any(format!("a fail point: {action} {}", path.display())),
            Failure::Kill => {
                raise(Signal::SIGKILL)?;
                Err(io::ErrorKind::Interrupted.into())
            }
        }
    }
}

fn list() -> io::Result<Option<&'static File>> {
    static LIST: OnceLock<io::Result<Option<File>>> = OnceLock::new();
    let open = || match std::env::var_os(STEPS) {
        Some(path) => File::options().create(true).append(true).open(path).map(Some),
        None => Ok(None),
    };
    LIST.get_or_init(open).as_ref().map(Option::as_ref).map_err(|error| io::Error::other(error.to_string()))
}

fn fail() -> io::Result<Option<(u64, Failure)>> {
    let Some(value) = std::env::var_os(FAIL) else { return Ok(None) };
    let wrong = || io::Error::other(format!("{FAIL} is {}", value.display()));
    let (number, failure) = value.to_str().and_then(|value| value.split_once(':')).ok_or_else(wrong)?;
    let failure = match failure {
        "error" => Failure::Error,
        "nospace" => Failure::NoSpace,
        "panic" => Failure::Panic,
        "kill" => Failure::Kill,
        "broken" => Failure::Broken,
        _ => return Err(wrong()),
    };
    Ok(Some((number.parse().map_err(|_| wrong())?, failure)))
}
