//! A disk that records what is written to it and when it is flushed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use system::mount::leave_shared_namespace;

use super::log::Log;
use crate::image::wait_until_free;
use crate::programs::shell;

/// How long QEMU's daemon may take to offer the disk, or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The room for a log: sparse, only what is used is there. Bytes.
const LARGEST: u64 = 64 << 30;

/// A disk that is being recorded: a file, as an image is one, seen by this thread and its children.
pub struct Recorder {
    daemon: Child,
    folder: PathBuf,
}

impl Recorder {
    /// Begins with a copy of `base` in `folder`, where the recording will be.
    pub fn start(base: &Path, folder: &Path) -> Recorder {
        let (now, log, disk) = (folder.join("now"), folder.join("log"), folder.join("disk"));
        // A mount that another process still sees ends, and writes, later than its command.
        wait_until_free(base);
        copy(base, &now);
        File::create(&disk).expect("a place for the disk");
        File::create(&log).and_then(|file| file.set_len(LARGEST)).expect("a log");
        // The disk appears in this thread's namespace alone, and goes with it.
        leave_shared_namespace().expect("a namespace");
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "qemu-storage-daemon"])
            .arg("--blockdev")
            .arg(format!(
                "driver=file,node-name=now,filename={},discard=unmap,cache.no-flush=on",
                now.display()
            ))
            .arg("--blockdev")
            .arg(format!("driver=file,node-name=log,filename={}", log.display()))
            .args(["--blockdev", "driver=blklogwrites,node-name=recorded,file=now,log=log"])
            .arg("--export")
            .arg(format!(
                "type=fuse,id=disk,node-name=recorded,mountpoint={},writable=on,allow-other=off",
                disk.display()
            ))
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-storage-daemon (Debian package qemu-system-common)");
        let mut recorder = Recorder { daemon, folder: folder.to_owned() };
        recorder.wait_until_there();
        recorder
    }

    fn wait_until_there(&mut self) {
        let begun = Instant::now();
        while fs::metadata(self.disk()).expect("the disk").len() == 0 {
            let ended = self.daemon.try_wait().expect("the daemon");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "qemu-storage-daemon offers no disk");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The disk.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// Ends the recording; nobody may use the disk any more. What it is now is in the folder as `now`.
    pub fn stop(mut self) -> Log {
        wait_until_free(&self.disk());
        assert!(self.end().success(), "qemu-storage-daemon failed");
        Log::open(&self.folder.join("log"))
    }

    fn end(&mut self) -> std::process::ExitStatus {
        let number = i32::try_from(self.daemon.id()).expect("the number of a process");
        let begun = Instant::now();
        loop {
            if let Some(ended) = self.daemon.try_wait().expect("the daemon") {
                return ended;
            }
            assert!(begun.elapsed() < PATIENCE, "qemu-storage-daemon does not end");
            // It sleeps on after a signal that came just before it went to sleep, until the next one.
            let _gone_already = kill(Pid::from_raw(number), Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

/// Copies a disk; what is a hole stays one.
pub fn copy(from: &Path, to: &Path) {
    shell("cp", &["--sparse=auto", text(from), text(to)]);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
