//! Chroots, against tar, chroot and systemd-nspawn.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};

use super::measure::{Usage, measure, settle};
use crate::{build, packages, root};

/// Each program is measured so often, in turn, and the fastest run counts.
const ROUNDS: usize = 3;

/// Entering is short, so it is measured so often.
const ENTRIES: usize = 30;

/// `add` at most as long as tar and 64 MiB, `enter` at most 10 ms above chroot, and on btrfs `clone` under 20 ms and `rm` as
/// long as `btrfs subvolume delete`: most of it is the kernel, which drops its cache of the files.
pub fn run() -> Result<()> {
    packages::ensure(&[
        packages::RUNTIME,
        packages::INPUTS,
        packages::BUILD,
        &["time", "zstd", "systemd-container"],
    ])?;
    let programs = build::programs(build::Purpose::Use)?;
    let tree = inputs::debian(Debian::Release)?;
    let place = root::target().join("bench");
    let unpacked = place.join("unpacked");
    shell(&format!("rm -rf {0} && mkdir -p {0}", unpacked.display()))?;
    let archive = place.join("debian.tar");
    shell(&format!(
        "tar -C {} --numeric-owner --xattrs -cf {a} . && zstd -q -f -3 {a}",
        tree.display(),
        a = archive.display()
    ))?;
    let bench = Bench { programs: &programs, place: &unpacked };
    println!(
        "| add | seconds | tar -xf, sync | ratio (bar: 1.0) | peak MiB (bar: 64) |\n|---|---|---|---|---|"
    );
    bench.add("plain", &archive)?;
    bench.add("zst", &place.join("debian.tar.zst"))?;
    bench.enter(&unpacked.join(format!("zst-{}", ROUNDS - 1)))?;
    shell(&format!("rm -r {}", unpacked.display()))?;
    bench.btrfs(&archive)
}

struct Bench<'a> {
    programs: &'a Path,
    /// Where archives are unpacked. Nothing is removed there meanwhile: for a minute, ext4 takes long to make files in the place of others.
    place: &'a Path,
}

impl Bench<'_> {
    fn manage(&self, store: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("manage-baserock"));
        command.arg("--store").arg(store).args(arguments);
        command
    }

    fn add(&self, name: &str, archive: &Path) -> Result<()> {
        let archive = archive.to_str().context("the path of the build's folder is not UTF-8")?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let store = self.place.join(format!("{name}-{round}"));
            let script = format!(
                "mkdir {p} && tar -C {p} --numeric-owner --xattrs -xf {archive} && sync -f {p}",
                p = self.place.join(format!("{name}-{round}-peer")).display()
            );
            settle()?;
            theirs.push(measure(Command::new("sh").args(["-c", &script]))?);
            settle()?;
            ours.push(measure(&mut self.manage(&store, &["add", "debian", archive]))?);
        }
        let (ours, theirs) = (best(&ours)?, best(&theirs)?);
        let (ours_seconds, theirs_seconds) = (ours.wall.as_secs_f64(), theirs.wall.as_secs_f64());
        let ratio = ours_seconds / theirs_seconds;
        println!(
            "| {name} | {ours_seconds:.2} | {theirs_seconds:.2} | {ratio:.2} | {} |",
            ours.peak.div_ceil(1024)
        );
        Ok(())
    }

    fn enter(&self, store: &Path) -> Result<()> {
        let tree = store.join("debian/tree");
        let mut enter = Command::new(self.programs.join("enter-baserock"));
        enter.arg("--store").arg(store).args(["debian", "--", "true"]);
        let mut chroot = Command::new("chroot");
        chroot.arg(&tree).arg("true");
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn.args(["--quiet", "--register=no", "--keep-unit", "-D"]).arg(&tree).arg("true");
        println!("\n| entering | ms |\n|---|---|");
        let (ours, peer) = (typical(&mut enter)?, typical(&mut chroot)?);
        println!(
            "| enter-baserock -- true | {} |\n| chroot true | {} |",
            milliseconds(ours),
            milliseconds(peer)
        );
        match typical(&mut nspawn) {
            Ok(taken) => println!("| systemd-nspawn true | {} |", milliseconds(taken)),
            Err(error) => println!("| systemd-nspawn true | does not run here: {error} |"),
        }
        println!("\nmore than chroot: {} ms (bar: 10)", milliseconds(ours.saturating_sub(peer)));
        Ok(())
    }

    fn btrfs(&self, archive: &Path) -> Result<()> {
        let image = Image::btrfs(4096);
        let mounted = image.mount("");
        let store = mounted.path().join("store");
        let archive = archive.to_str().context("the path of the build's folder is not UTF-8")?;
        once(&mut self.manage(&store, &["add", "debian", archive]))?;
        println!("\n| on btrfs | ms | bar |\n|---|---|---|");
        let clone = once(&mut self.manage(&store, &["clone", "debian", "clone"]))?;
        println!("| clone | {} | 20 |", milliseconds(clone));
        let remove = once(&mut self.manage(&store, &["rm", "--force", "clone"]))?;
        println!("| rm clone, nothing of it cached | {} | 20 |", milliseconds(remove));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            once(&mut self.manage(&store, &["add", "peer", archive]))?;
            ours.push(once(&mut self.manage(&store, &["rm", "--force", "debian"]))?);
            once(&mut self.manage(&store, &["add", "debian", archive]))?;
            let mut peer = Command::new("btrfs");
            theirs.push(once(peer.args(["subvolume", "delete"]).arg(store.join("peer/tree")))?);
            shell(&format!("rm -r {}", store.join("peer").display()))?;
        }
        let fastest = |taken: Vec<Duration>| taken.into_iter().min().unwrap_or_default();
        let (ours, theirs) = (fastest(ours), fastest(theirs));
        println!("| rm debian, all of it cached | {} | |", milliseconds(ours));
        println!("| btrfs subvolume delete of the same | {} | |", milliseconds(theirs));
        println!("\nratio of the last two: {:.2} (bar: 1.1)", ours.as_secs_f64() / theirs.as_secs_f64());
        Ok(())
    }
}

fn shell(script: &str) -> Result<()> {
    root::run(Command::new("sh").args(["-c", script]))
}

fn best(taken: &[Usage]) -> Result<Usage> {
    taken.iter().min_by_key(|taken| taken.wall).copied().context("nothing was measured")
}

/// Measures the time of one run.
fn once(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(begun.elapsed())
}

/// The median of many runs.
fn typical(command: &mut Command) -> Result<Duration> {
    let mut taken = (0..ENTRIES).map(|_| once(command)).collect::<Result<Vec<_>>>()?;
    taken.sort();
    Ok(taken[ENTRIES / 2])
}

fn milliseconds(taken: Duration) -> String {
    format!("{:.1}", taken.as_secs_f64() * 1000.0)
}
