//! Lets one tool work at a time: `flock` on a file or device, and the search for the process that holds it.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};

use crate::error::{Error, OrCannot, Result};
use crate::file;
use crate::signal;
use crate::step::change;

/// The reaction if another process holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Fail, and name the process.
    Refuse,
    /// Wait for as long as it takes.
    Wait,
}

/// Opens a file to lock it. A missing file is made. A link is not followed, and anything else that is no file is an error.
pub fn open(path: &Path) -> Result<File> {
    // A FIFO that is opened in this way is not waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = change("lock", path, || {
        File::options().create(true).truncate(false).read(true).write(true).custom_flags(flags).open(path)
    })
    .map_err(|error| match error.os_error() {
        Some(libc::ELOOP) => Error::malformed(path, "is a link, not a file; remove it"),
        _ => error,
    })?;
    file::refuse_other(&file, path)?;
    Ok(file)
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    file: Flock<File>,
}

/// The time between two tries of a waiting process.
const INTERVAL: Duration = Duration::from_millis(50);

/// The number of tries before a lock counts as held although no process is found that holds it. There are two such locks, and both end
/// soon. The device manager holds one for a moment on a device that was just written. The kernel keeps the lock of a killed process until
/// it has unmounted and detached everything of that process.
const BRIEF: u32 = 100;

impl Lock {
    /// Takes the exclusive lock on the open file. `shown` is its name for messages.
    pub fn take(file: File, shown: &Path, patience: Patience) -> Result<Self> {
        let mut file = file;
        let mut tries = 0;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => return Ok(Lock { file }),
                Err((back, Errno::EWOULDBLOCK)) => {
                    signal::check()?;
                    tries += 1;
                    if patience == Patience::Refuse
                        && let Some(holder) = named(holder(&back), tries)
                    {
                        return Err(Error::Busy { what: shown.display().to_string(), holder });
                    }
                    file = back;
                    sleep(INTERVAL);
                }
                Err((_, Errno::EINTR)) => {
                    signal::check()?;
                    return Err(Errno::EINTR).or_cannot("lock", shown);
                }
                Err((_, error)) => return Err(error).or_cannot("lock", shown),
            }
        }
    }

    /// The locked file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// Fails if another process has the file open.
pub fn refuse_opened(file: &File, shown: &Path) -> Result<()> {
    match opener(file) {
        Some(holder) => Err(Error::Busy { what: shown.display().to_string(), holder }),
        None => Ok(()),
    }
}

/// Fails if another process holds a record lock on the image. A virtual machine that writes to it does.
pub fn refuse_record_locks(image: &File, shown: &Path) -> Result<()> {
    let mut tries = 0;
    loop {
        let mut wanted = record_lock(libc::F_WRLCK);
        fcntl(image.as_fd(), FcntlArg::F_OFD_GETLK(&mut wanted)).or_cannot("examine locks of", shown)?;
        if i32::from(wanted.l_type) == libc::F_UNLCK {
            return Ok(());
        }
        signal::check()?;
        tries += 1;
        if let Some(holder) = named(opener(image), tries) {
            return Err(Error::Busy { what: shown.display().to_string(), holder });
        }
        sleep(INTERVAL);
    }
}

/// The holder of a lock for the error. After [`BRIEF`] tries without a process this is "another process"; before that it is `None`.
fn named(found: Option<String>, tries: u32) -> Option<String> {
    found.or_else(|| (tries > BRIEF).then(|| "another process".into()))
}

/// Takes a record lock on the whole image, so that a virtual machine refuses to start from it. The lock ends when the file is closed.
pub fn take_record_lock(image: &File, shown: &Path) -> Result<()> {
    let take = |kind| fcntl(image.as_fd(), FcntlArg::F_OFD_SETLK(&record_lock(kind))).map(drop);
    match take(libc::F_WRLCK) {
        // A file that is open only for reading gets only a lock against those who write.
        Err(Errno::EBADF) => take(libc::F_RDLCK),
        outcome => outcome,
    }
    .or_cannot("lock", shown)
}

fn record_lock(kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).unwrap_or_default(),
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The process that holds a `flock` on the same file, as `NAME (process PID)`.
fn holder(file: &File) -> Option<String> {
    let holds =
        |fd_info: &str| fd_info.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"));
    processes_with(file, |process, fd| {
        std::fs::read_to_string(process.join("fdinfo").join(fd)).is_ok_and(|text| holds(&text))
    })
}

/// Another process that has the same file open.
fn opener(file: &File) -> Option<String> {
    processes_with(file, |_, _| true)
}

fn processes_with(file: &File, test: impl Fn(&Path, &Path) -> bool) -> Option<String> {
    let wanted = file.metadata().ok()?;
    let own = std::process::id().to_string();
    for process in std::fs::read_dir("/proc").ok()?.filter_map(Result::ok).map(|entry| entry.path()) {
        let pid = process.file_name()?.to_string_lossy().into_owned();
        if pid == own || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        if fds_on(&process, &wanted).iter().any(|fd| test(&process, fd)) {
            let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim_end()));
        }
    }
    None
}

/// The names in `fd/` of the process's descriptors for this inode.
fn fds_on(process: &Path, wanted: &std::fs::Metadata) -> Vec<PathBuf> {
    let Ok(fds) = std::fs::read_dir(process.join("fd")) else { return Vec::new() };
    let same = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    let paths = fds.filter_map(Result::ok).map(|entry| entry.path()).filter(same);
    paths.filter_map(|path| path.file_name().map(PathBuf::from)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_a_file_is_locked() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        mkfifo(&path("fifo"), Mode::S_IRUSR).unwrap();
        symlink("elsewhere", path("link")).unwrap();
        for (name, why) in [("fifo", "is a FIFO"), ("link", "is a link"), ("", "directory")] {
            let told = open(&path(name)).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
        assert!(!path("elsewhere").exists());
        open(&path("new")).unwrap();
        open(&path("new")).unwrap();
    }
}
