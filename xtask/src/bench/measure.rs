//! Time and memory of a command.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The time and memory of a command.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// From start to end.
    pub wall: Duration,
    /// Processor time of the command and its children.
    pub processor: Duration,
    /// The peak memory of the command or one of its children: KiB.
    pub peak: u64,
}

/// Runs the command under GNU time, which measures its memory. The output is dropped.
pub fn measure(command: &mut Command) -> Result<Usage> {
    let report = std::env::temp_dir().join(format!("baserock-time-{}", std::process::id()));
    let mut timed = Command::new("/usr/bin/time");
    timed
        .args(["--format=%M %U %S", "--output"])
        .arg(&report)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            timed.env(name, value);
        }
    }
    let begun = Instant::now();
    let output = timed.output().context("cannot run /usr/bin/time (Debian package time)")?;
    let wall = begun.elapsed();
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&report).context("cannot read what time measured")?;
    std::fs::remove_file(&report).context("cannot remove what time measured")?;
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [peak, user, system] = parts[..] else { bail!("time measured something else: {text}") };
    let processor = Duration::try_from_secs_f64(user.parse::<f64>()? + system.parse::<f64>()?)?;
    Ok(Usage { wall, processor, peak: peak.parse()? })
}

/// Writes out dirty pages, so that all measurements start alike.
pub fn settle() -> Result<()> {
    ensure!(Command::new("sync").status().context("cannot run sync")?.success(), "sync failed");
    Ok(())
}
