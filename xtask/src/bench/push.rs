//! Pushing an upgrade, against rsync into a snapshot: over a link without limits, and over one of 20 Mbit/s.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use baserock::btrfs;
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::ssh::Target;
use baserock_tests::version;

use super::link::Link;
use super::measure::{Taken, measure, settle};
use super::watch::{Watch, Watched};
use crate::{build, packages, root};

/// What one way of upgrading took.
struct Row {
    name: &'static str,
    taken: Taken,
    watched: Watched,
    wire: u64,
    disk: u64,
}

/// The variable that tells the tests' fixtures where the programs are.
const PROGRAMS: &str = "BASEROCK_PROGRAMS";
const MEGABYTES: u64 = 8192;
/// The bars: ratios to `rsync -z` of bytes on the wire, the same with the old tree at hand, wall time at 20 Mbit/s, wall time without a limit,
/// wall time when nothing changed, bytes on the disk.
const BARS: &str =
    "wire 0.70, with BASE_ROOT 0.60, time at 20 Mbit/s 0.75, without limit 1.0, unchanged 0.8, disk 0.88";

/// `ssh-rsync.write` of a Debian with its updates onto the release, against `rsync`, with and without `-z`.
pub fn run() -> Result<()> {
    packages::ensure(&[
        packages::RUNTIME,
        packages::INPUTS,
        packages::BUILD,
        packages::TESTS,
        &["time", "iproute2"],
    ])?;
    if std::env::var_os(PROGRAMS).is_none() {
        // The fixtures look for the programs there, and a process cannot safely change its own environment.
        let programs = build::programs(build::Purpose::Use)?;
        return root::run(
            Command::new(std::env::current_exe()?).args(["bench", "push"]).env(PROGRAMS, programs),
        );
    }
    let bench = Bench { old: inputs::debian(Debian::Release)?, new: inputs::debian(Debian::Updated)? };
    let mut table = String::from(
        "| link | how | seconds | MiB sent | MiB on disk | peak MiB here | peak MiB there |\n|---|---|---|---|---|---|---|\n",
    );
    for (name, limit) in [("20 Mbit/s", Some("20mbit")), ("no limit", None)] {
        let rows = bench.rows(limit)?;
        let peer = rows.iter().find(|row| row.name == "rsync -z").context("rsync -z was not measured")?;
        for row in &rows {
            row.write(&mut table, name, peer)?;
        }
    }
    let place = root::target().join("bench");
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("push.md"), &table)?;
    println!("{table}\nin brackets: ratios to rsync -z of the same link; bars: {BARS}");
    Ok(())
}

struct Bench {
    old: std::path::PathBuf,
    new: std::path::PathBuf,
}

impl Bench {
    fn rows(&self, limit: Option<&str>) -> Result<Vec<Row>> {
        let base = self.old.to_str().context("a path that is not text")?;
        Ok(vec![
            self.rsync("rsync", &[], limit)?,
            self.rsync("rsync -z", &["-z"], limit)?,
            self.ours("ssh-rsync.write", &[], &self.new, limit)?,
            self.ours("the same, BASE_ROOT", &[("BASE_ROOT", base)], &self.new, limit)?,
            self.rsync_unchanged(limit)?,
            self.ours("ssh-rsync.write, unchanged", &[], &self.old, limit)?,
        ])
    }

    /// A machine that runs the release, on a link.
    fn target(&self, limit: Option<&str>) -> Result<(Target, Link, Image)> {
        let image = Image::blank(MEGABYTES);
        std::fs::remove_file(image.path())?;
        version::write(&self.old, &image.path(), MEGABYTES).ok();
        let link = Link::new(limit)?;
        let target = Target::start_on(&image, "factory", Some((link.namespace(), link.address())));
        Ok((target, link, image))
    }

    fn ours(
        &self,
        name: &'static str,
        variables: &[(&str, &str)],
        tree: &Path,
        limit: Option<&str>,
    ) -> Result<Row> {
        let (target, link, _image) = self.target(limit)?;
        // Once before: the agent, the manifest of the basis and the sender's hashes are there, as they are for every push but the first.
        let checked = target.check("upgrade").status()?;
        ensure!(checked.success(), "the check failed");
        let mut push = target.push(tree, "upgrade");
        push.envs(variables.iter().copied());
        let row = self.row(name, &target, &link, &mut push, "/agents/")?;
        let top = target.system.top_level();
        let outside: u64 = ["kernel", "initramfs"]
            .iter()
            .filter_map(|file| std::fs::metadata(top.path().join("systems/upgrade").join(file)).ok())
            .map(|found| found.len())
            .sum();
        // What a boot loader reads is copied out of the tree, by any way of upgrading.
        Ok(Row { disk: row.disk.saturating_sub(outside), ..row })
    }

    fn rsync(&self, name: &'static str, options: &[&str], limit: Option<&str>) -> Result<Row> {
        self.rsync_of(name, options, &self.new, limit)
    }

    fn rsync_unchanged(&self, limit: Option<&str>) -> Result<Row> {
        self.rsync_of("rsync -z, unchanged", &["-z"], &self.old, limit)
    }

    fn rsync_of(
        &self,
        name: &'static str,
        options: &[&str],
        tree: &Path,
        limit: Option<&str>,
    ) -> Result<Row> {
        let (target, link, _image) = self.target(limit)?;
        let top = target.system.top_level();
        let orig = top.dir().dir("systems/factory/orig")?;
        btrfs::snapshot(&orig, &top.dir().dir("systems/factory/run")?, "peer", btrfs::Access::Writable)?;
        let mut rsync = target.ssh_client("rsync");
        rsync.args(["-as", "--checksum", "--numeric-ids", "--delete"]).args(options);
        rsync.arg(tree.join("")).arg("root@target:/peer/");
        self.row(name, &target, &link, &mut rsync, "/rsync")
    }

    fn row(
        &self,
        name: &'static str,
        target: &Target,
        link: &Link,
        command: &mut Command,
        there: &'static str,
    ) -> Result<Row> {
        let top = target.system.top_level();
        let used = || -> Result<u64> {
            btrfs::commit(&top.dir())?;
            let space = btrfs::space(&top.dir())?;
            Ok(space.total - space.available)
        };
        settle()?;
        let (disk, wire) = (used()?, link.bytes()?);
        let watch = Watch::start(there);
        let taken = measure(command)?;
        Ok(Row {
            name,
            taken,
            watched: watch.stop(),
            wire: link.bytes()? - wire,
            disk: used()?.saturating_sub(disk),
        })
    }
}

impl Row {
    fn write(&self, table: &mut String, link: &str, peer: &Row) -> Result<()> {
        let mebibytes = |bytes: u64| f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0;
        let ratio = |ours: f64, peer: f64| ours / peer;
        let (seconds, peer_seconds) = (self.taken.wall.as_secs_f64(), peer.taken.wall.as_secs_f64());
        writeln!(
            table,
            "| {link} | {} | {seconds:.1} ({:.2}) | {:.1} ({:.2}) | {:.0} ({:.2}) | {:.0} | {:.0} |",
            self.name,
            ratio(seconds, peer_seconds),
            mebibytes(self.wire),
            ratio(mebibytes(self.wire), mebibytes(peer.wire)),
            mebibytes(self.disk),
            ratio(mebibytes(self.disk), mebibytes(peer.disk)),
            mebibytes(self.taken.peak * 1024),
            mebibytes(self.watched.peak * 1024),
        )?;
        Ok(())
    }
}
