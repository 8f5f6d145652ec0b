//! Errors: what could not be done, to what, and why, in one line. What to do about it is for the program to say that has the means: it looks at
//! the kind of the error, never at its words.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What every fallible function of the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen. `Display` is one line, lower case, without a full stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused something: `cannot snapshot /systems/devel/orig: No space left on device`.
    #[error("cannot {action} {}: {}", path.display(), describe(cause))]
    Io {
        /// What was being tried, an infinitive: `open`, `snapshot`.
        action: Cow<'static, str>,
        /// To what: a path as the user knows it, on a volume relative to its top level.
        path: PathBuf,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// What was asked for is not possible as things are. Where programs differ in what can be done about it, this is a kind of the library that
    /// refuses, which [`Error::kind`] finds; else it is only words.
    #[error("{0}")]
    Refused(Box<dyn StdError + Send + Sync>),
    /// Somebody else is at work on the volume or the image.
    #[error("{what} is in use by {holder}")]
    Busy {
        /// The volume, image or label that is locked.
        what: String,
        /// Who holds it: `system-version-manager (process 812)`.
        holder: String,
    },
    /// A signal asked the program to stop; everything begun was undone.
    #[error("interrupted by {}; what had begun was undone", signal_name(*.0))]
    Interrupted(i32),
    /// Something is mounted in a tree that was to be removed. Nothing was removed.
    #[error("{} is a mount point; unmount it first", path.display())]
    Mounted {
        /// Where.
        path: PathBuf,
    },
    /// A file has more bytes than anybody reads of such a file.
    #[error("{} has more than {most} bytes, the most that is read of it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes.
        most: u64,
    },
    /// A file is not what its format asks for.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A program that is needed is not there.
    #[error("{program} is not installed")]
    NotInstalled {
        /// The program's name.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The kernel was told to give ordinary users no namespaces.
    #[error("user namespaces are forbidden here: sysctl {setting} is {value}")]
    NoUserNamespaces {
        /// The setting's name, as `sysctl` has it.
        setting: &'static str,
        /// What it is.
        value: &'static str,
        /// What would allow them.
        wanted: &'static str,
    },
    /// Another program failed; its own words are kept.
    #[error("{program} failed ({status}){}", said(stderr))]
    Program {
        /// The program's name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of what it wrote to standard error.
        stderr: String,
    },
}

impl Error {
    /// A refusal of which there is no more to say than this message.
    pub fn refused(message: impl Into<String>) -> Self {
        Error::Refused(message.into().into())
    }

    /// The library's own kind of a refusal.
    pub fn kind<K: StdError + 'static>(&self) -> Option<&K> {
        match self {
            Error::Refused(kind) => kind.downcast_ref(),
            _ => None,
        }
    }

    /// A file whose content is wrong.
    pub fn malformed(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Error::Malformed { path: path.into(), reason: reason.into() }
    }

    /// Whether the kernel said that there is no space (or quota) left.
    pub fn is_no_space(&self) -> bool {
        matches!(self.os_error(), Some(libc::ENOSPC | libc::EDQUOT))
    }

    /// Whether the kernel said that there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.os_error() == Some(libc::ENOENT)
    }

    /// The kernel's error number, where the kernel was the one who refused.
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Error::Io { cause, .. } => cause.raw_os_error(),
            _ => None,
        }
    }

    /// Why, where action and path are said already.
    pub fn reason(&self) -> String {
        match self {
            Error::Io { cause, .. } => describe(cause),
            Error::Malformed { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// The exit code that a program ends with: 128 + the signal when interrupted, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Interrupted(signal) => 128u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
            _ => 1,
        }
    }
}

/// Says what was being done to which path when an I/O call failed.
pub trait OrCannot<T> {
    /// Turns the error into [`Error::Io`]: `open(p).or_cannot("open", p)?`.
    fn or_cannot(self, action: impl Into<Cow<'static, str>>, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<io::Error>> OrCannot<T> for Result<T, E> {
    fn or_cannot(self, action: impl Into<Cow<'static, str>>, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|cause| Error::Io {
            action: action.into(),
            path: path.as_ref().to_owned(),
            cause: cause.into(),
        })
    }
}

/// Turns "there is no such file" into `None`.
pub fn if_exists<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The kernel's words without the number that the standard library appends.
fn describe(cause: &io::Error) -> String {
    match cause.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => cause.to_string(),
    }
}

fn signal_name(number: i32) -> String {
    nix::sys::signal::Signal::try_from(number)
        .map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}

fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => String::new(),
        text => format!(": {}", text.lines().map(str::trim).collect::<Vec<_>>().join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn an_io_error_names_action_path_and_reason() {
        let failed: Result<(), nix::Error> = Err(nix::Error::ENOSPC);
        let error = failed.or_cannot("snapshot", "/systems/devel/orig").unwrap_err();
        assert_eq!(error.to_string(), "cannot snapshot /systems/devel/orig: No space left on device");
        assert!(error.is_no_space());
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_signal_exits_with_128_and_its_number() {
        let error = Error::Interrupted(15);
        assert_eq!(error.exit_code(), 143);
        assert_eq!(error.to_string(), "interrupted by SIGTERM; what had begun was undone");
    }

    #[test]
    fn a_programs_last_words_become_one_line() {
        let error = Error::Program {
            program: "mkfs.btrfs".into(),
            status: ExitStatus::from_raw(1 << 8),
            stderr: "a\n b\n".into(),
        };
        assert_eq!(error.to_string(), "mkfs.btrfs failed (exit status: 1): a; b");
    }
}
