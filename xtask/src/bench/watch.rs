//! Watches the memory of processes that other programs have started.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The result of watching.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation {
    /// The peak memory of one of the processes: KiB.
    pub peak: u64,
}

/// Watches all processes whose program has a path with a given text, until it is stopped.
pub struct Watch {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

const INTERVAL: Duration = Duration::from_millis(50);

impl Watch {
    /// Begins to watch.
    pub fn start(program: &'static str) -> Self {
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, seen) = (stop.clone(), peak.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let now = fs::read_dir("/proc").into_iter().flatten().flatten();
                let most = now.filter_map(|entry| peak_of(&entry.path(), program)).max().unwrap_or(0);
                seen.fetch_max(most, Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
        });
        Watch { stop, peak, thread }
    }

    /// Stops watching, and returns the result.
    pub fn stop(self) -> Observation {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            eprintln!("the thread that watches memory has failed");
        }
        Observation { peak: self.peak.load(Ordering::Relaxed) }
    }
}

fn peak_of(process: &Path, program: &str) -> Option<u64> {
    let running = fs::read_link(process.join("exe")).ok()?;
    if !running.to_str()?.contains(program) {
        return None;
    }
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
