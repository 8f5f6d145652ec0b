//! Compares pushing an upgrade with rsync into a snapshot: over links of 20 and of 100 Mbit/s, and over one without a limit.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::ssh::Target;
use baserock_tests::version;
use system::btrfs;

use super::link::Link;
use super::measure::{measure, settle};
use super::push_report::{
    self as report, FAST, MIDDLE, OURS, OURS_UNCHANGED, PEER, PEER_UNCHANGED, RSYNC, Row, SLOW, WITH_BASE,
};
use super::watch::Watch;
use super::{pairs, with_programs};
use crate::root;

const MEGABYTES: u64 = 8192;

/// The links, and the number of rounds.
#[derive(clap::Args)]
pub struct Options {
    /// Measure only this link
    #[arg(long)]
    link: Option<Speed>,
    /// Rounds over the link without a limit, where seconds decide; the median counts
    #[arg(long, default_value_t = 3)]
    times: usize,
    /// Measure only the ways with this in their names, without ratios to what is left out
    #[arg(long, value_name = "NAME", default_value = "")]
    only: String,
    /// Instead, compare the bytes for many pairs of trees, without a link; with NAME only those with this in their folder's name
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pairs: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Speed {
    /// 20 Mbit/s
    Slow,
    /// 100 Mbit/s
    Middle,
    /// No limit
    Fast,
}

impl Speed {
    const ALL: [Self; 3] = [Self::Slow, Self::Middle, Self::Fast];

    /// Its name in the report, and its limit as for `tc`.
    fn link(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Slow => (SLOW, Some("20mbit")),
            Self::Middle => (MIDDLE, Some("100mbit")),
            Self::Fast => (FAST, None),
        }
    }
}

/// Compares `ssh-rsync.write` with `rsync`, with and without `-z`: both upgrade a Debian release to its updates.
pub fn run(options: &Options) -> Result<()> {
    if let Some(wanted) = &options.pairs {
        return pairs::run(wanted);
    }
    with_programs(|| compare(options))
}

fn compare(options: &Options) -> Result<()> {
    let bench = Bench { old: inputs::debian(Debian::Release)?, new: inputs::debian(Debian::Updated)? };
    let mut rows = Vec::new();
    for speed in Speed::ALL.into_iter().filter(|speed| options.link.is_none_or(|wanted| wanted == *speed)) {
        // A slow link takes minutes, but always the same time.
        let times = if speed == Speed::Fast { options.times.max(1) } else { 1 };
        let mut rounds = Vec::new();
        for _ in 0..times {
            rounds.push(bench.rows(speed, &options.only)?);
        }
        rows.extend(report::middle(rounds));
    }
    let report = report::table(&rows)?;
    let place = root::target().join("bench");
    std::fs::create_dir_all(&place)?;
    std::fs::write(place.join("push.md"), &report)?;
    std::fs::write(place.join("push.svg"), report::plot(&rows)?)?;
    println!("\n{report}\nalso in {0}/push.md, and as a plot in {0}/push.svg", place.display());
    Ok(())
}

/// Measures one push over a link without a limit; the sender may have the old tree.
pub fn unlimited(old: &Path, new: &Path, has_old: bool) -> Result<Row> {
    let bench = Bench { old: old.to_owned(), new: new.to_owned() };
    let base = old.to_str().filter(|_| has_old).map(|old| ("BASE_ROOT", old));
    bench.ours(if has_old { WITH_BASE } else { OURS }, base.as_slice(), new, None)
}

struct Bench {
    old: std::path::PathBuf,
    new: std::path::PathBuf,
}

/// Measures a way of upgrading, which has this name.
type Way<'a> = &'a dyn Fn(&'static str) -> Result<Row>;

impl Bench {
    fn rows(&self, speed: Speed, only: &str) -> Result<Vec<Row>> {
        let base = self.old.to_str().context("a path that is not text")?;
        let (link, limit) = speed.link();
        let rsync = |name, options: &[&str], tree| self.rsync(name, options, tree, limit);
        let ours = |name, variables: &[(&str, &str)], tree| self.ours(name, variables, tree, limit);
        let ways: [(&'static str, Way<'_>); 6] = [
            (RSYNC, &|name| rsync(name, &[], &self.new)),
            (PEER, &|name| rsync(name, &["-z"], &self.new)),
            (OURS, &|name| ours(name, &[], &self.new)),
            (WITH_BASE, &|name| ours(name, &[("BASE_ROOT", base)], &self.new)),
            (PEER_UNCHANGED, &|name| rsync(name, &["-z"], &self.old)),
            (OURS_UNCHANGED, &|name| ours(name, &[], &self.old)),
        ];
        let mut rows = Vec::new();
        for (name, way) in ways.into_iter().filter(|(name, _)| name.contains(only)) {
            let row = Row { link, ..way(name)? };
            // A run takes minutes, so each result is shown at once.
            println!("{}", row.line(None));
            rows.push(row);
        }
        Ok(rows)
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
        // One push comes before the measurement. Then the agent, the manifest of the basis and the sender's hashes are there, as for every
        // push but the first.
        let checked = target.check("upgrade").status()?;
        ensure!(checked.success(), "the check failed");
        if name == OURS_UNCHANGED {
            let pushed = target.push(tree, "before").stdout(Stdio::null()).status()?;
            ensure!(pushed.success(), "the push before failed");
        }
        let mut push = target.push(tree, "upgrade");
        push.envs(variables.iter().copied());
        self.row(name, &target, &link, &mut push, "/agents/")
    }

    /// Runs `rsync` into a writable snapshot of the release, and deploys the snapshot.
    fn rsync(&self, name: &'static str, options: &[&str], tree: &Path, limit: Option<&str>) -> Result<Row> {
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
        let (disk, wire, processor) = (used()?, link.bytes()?, target.sshd.processor_time());
        let watch = Watch::start(there);
        let begun = Instant::now();
        let taken = measure(command)?;
        let wire_after = link.bytes()?;
        let upgrade = top.path().join("systems/upgrade");
        if !upgrade.exists() {
            std::fs::create_dir(&upgrade)?;
            std::fs::rename(top.path().join("systems/factory/run/peer"), upgrade.join("orig"))?;
            target.system.manage(&["deploy", "/systems/upgrade/orig"]).ok();
            target.system.manage(&["set-default", "upgrade"]).ok();
        }
        let deployed = begun.elapsed();
        // Every way of upgrading copies the files for the boot loader out of the tree.
        let copies = ["kernel", "initramfs"].map(|file| std::fs::metadata(upgrade.join(file)));
        let copies: u64 = copies.into_iter().flatten().map(|copy| copy.len()).sum();
        Ok(Row {
            link: "",
            name,
            taken,
            deployed,
            watched: watch.stop(),
            processor_there: target.sshd.processor_time().saturating_sub(processor),
            to: wire_after[0] - wire[0],
            from: wire_after[1] - wire[1],
            disk: used()?.saturating_sub(disk + copies),
        })
    }
}
