//! Errors. A message tells in one line the failed action, the path and the reason. The program adds a remedy: it looks at the kind of the
//! error, never at its words.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// The result of every fallible function of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why an operation did not happen. `Display` is one line, lower case, without a full stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused something: `cannot snapshot /systems/devel/orig: No space left on device`.
    #[error("cannot {action} {}: {}", path.display(), describe(cause))]
    Io {
        /// The failed action as an infinitive: `open`, `snapshot`.
        action: Cow<'static, str>,
        /// The path as the user knows it. On a volume it is relative to the volume's top level.
        path: PathBuf,
        /// The kernel's reason.
        cause: io::Error,
    },
    /// The library refuses the request as things are. If programs offer different remedies, this holds the refusing library's own error type,
    /// and [`Error::kind`] returns it. Otherwise it holds only a message.
    #[error("{0}")]
    Refused(Box<dyn StdError + Send + Sync>),
    /// Another process is at work on the volume or the image.
    #[error("{what} is in use by {holder}")]
    Busy {
        /// The locked volume, image or label.
        what: String,
        /// The process that holds the lock: `system-version-manager (process 812)`.
        holder: String,
    },
    /// A signal asked the program to stop. Everything that had begun was undone.
    #[error("interrupted by {}; what had begun was undone", signal_name(*.0))]
    Interrupted(i32),
    /// Something is mounted in a tree that was to be removed. Nothing was removed, unless it was mounted meanwhile.
    #[error("{} is a mount point; unmount it first", path.display())]
    Mounted {
        /// The mount point.
        path: PathBuf,
    },
    /// The kernel swaps to a file in a subvolume, which can be neither snapshotted nor deleted meanwhile.
    #[error("{} cannot be snapshotted or deleted: the kernel swaps to {}", tree.display(), swap_file(file.as_deref()))]
    SwappedTo {
        /// The subvolume.
        tree: PathBuf,
        /// The swap file, as this process finds it; `None` if this process cannot reach it.
        file: Option<PathBuf>,
    },
    /// A file is larger than the limit for such files.
    #[error("{} has more than {most} bytes, the most that is read of it", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        most: u64,
    },
    /// A file does not have the form that its format demands.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The fault, and its place in the file.
        reason: String,
    },
    /// A needed program is not installed.
    #[error("{program} is not installed")]
    NotInstalled {
        /// The program's name.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A kernel setting forbids user namespaces.
    #[error("user namespaces are forbidden here: sysctl {setting} is {value}")]
    NoUserNamespaces {
        /// The name of the setting, in the notation of `sysctl`.
        setting: &'static str,
        /// The value that forbids them.
        value: &'static str,
        /// The value that allows them.
        wanted: &'static str,
    },
    /// Another program failed. Its own words are kept.
    #[error("{program} failed ({status}){}", said(stderr))]
    Program {
        /// The program's name.
        program: String,
        /// The exit status of the program.
        status: ExitStatus,
        /// The last lines of its standard error.
        stderr: String,
    },
}

impl Error {
    /// A refusal that has only a message.
    pub fn refused(message: impl Into<String>) -> Self {
        Error::Refused(message.into().into())
    }

    /// The refusal as the refusing library's own type `K`, if it is one.
    pub fn kind<K: StdError + 'static>(&self) -> Option<&K> {
        match self {
            Error::Refused(kind) => kind.downcast_ref(),
            _ => None,
        }
    }

    /// The words of the kernel's error alone.
    pub fn reason_of(cause: &io::Error) -> String {
        describe(cause)
    }

    /// An [`Error::Malformed`].
    pub fn malformed(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Error::Malformed { path: path.into(), reason: reason.into() }
    }

    /// The error of a reader of `path`: the one that the reader has inside of its own, or else that of the kernel.
    pub fn of_reader(path: impl AsRef<Path>, error: io::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(inner) => inner,
            Err(cause) => Error::Io { action: "read".into(), path: path.as_ref().to_owned(), cause },
        }
    }

    /// Whether the kernel said that there is no space (or quota) left.
    pub fn is_no_space(&self) -> bool {
        matches!(self.os_error(), Some(libc::ENOSPC | libc::EDQUOT))
    }

    /// Whether the kernel said that there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.os_error() == Some(libc::ENOENT)
    }

    /// The kernel's error number, if the error came from the kernel.
    pub fn os_error(&self) -> Option<i32> {
        match self {
            Error::Io { cause, .. } => cause.raw_os_error(),
            _ => None,
        }
    }

    /// The reason alone, for a message that names the action and the path already.
    pub fn reason(&self) -> String {
        match self {
            Error::Io { cause, .. } => describe(cause),
            Error::Malformed { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// The exit code of a program that ends with this error: 128 + the signal if it was interrupted, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Interrupted(signal) => 128u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
            _ => 1,
        }
    }
}

/// Adds the action and the path to an I/O error.
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

fn swap_file(file: Option<&Path>) -> String {
    file.map_or_else(|| "a swap file in it".to_owned(), |file| format!("the swap file {}", file.display()))
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
