//! Compares fetching a published version with other ways to get it, all from this machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use baserock_tests::bootable::Tree;
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::{command, shell};
use baserock_tests::version;

use super::fetch_server::{Nginx, SERVED, text};
use super::measure::{Usage, measure, settle};
use super::{push, with_programs};
use crate::{packages, root};

const MEGABYTES: u64 = 8192;
const MB: u64 = 1_000_000;

/// One way to get a version.
pub struct Row {
    /// What gets it.
    pub name: &'static str,
    /// Time and memory.
    pub taken: Usage,
    /// Bytes of the answers, without their heads.
    pub bytes: u64,
    /// Answers, if it is a web server that gives them.
    pub requests: Option<usize>,
}

/// Fetches the updates of a Debian release in several ways.
pub fn run() -> Result<()> {
    packages::ensure(&[&["nginx", "ostree", "casync", "rsync", "curl", "zstd"]])?;
    with_programs(compare)
}

fn compare() -> Result<()> {
    let place = root::target().join("bench/fetch");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(place.join(SERVED))?;
    let trees = [Debian::Release, Debian::Updated].map(Tree::plain);
    for tree in &trees {
        shell("sh", &["-c", "rm -f \"$0\"/etc/ssh/ssh_host_*", text(tree.path())?]);
    }
    let bench = Bench { server: Nginx::start(&place)?, place, trees };
    let published = bench.publish()?;
    println!(
        "publishing the updates after the release took {:.1} s (bar: 60), {:.1} s of the processors",
        published.wall.as_secs_f64(),
        published.processor.as_secs_f64()
    );
    println!("\n| how | MB | ratio | requests | seconds | ratio | processor seconds | peak MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    let delta = bench.ours("fetch, with a delta", "os", "v2", Some(0))?;
    let show = |row: Row| {
        row.print(&delta);
        row
    };
    delta.print(&delta);
    let packs = show(bench.ours("fetch, from any version", "packs", "v2", Some(0))?);
    let whole = show(bench.ours("fetch, whole", "packs", "v2", None)?);
    show(bench.ours("fetch, whole, the first version", "packs", "v1", None)?);
    let pushes = [show(bench.push(true)?), show(bench.push(false)?)];
    show(bench.whole()?);
    let copy = bench.copied()?;
    show(bench.casync(&copy)?);
    show(bench.rsync(&copy)?);
    fs::remove_dir_all(copy)?;
    bench.publish_for_ostree()?;
    show(bench.ostree("ostree pull, static delta without bsdiff", &[])?);
    show(bench.ostree("ostree pull", &["--disable-static-deltas"])?);
    println!();
    for (row, bytes, requests) in [(&delta, 21 * MB, 5), (&packs, 80 * MB, 50), (&whole, 140 * MB, 100)] {
        within(row.name, "bytes", row.bytes, bytes);
        within(row.name, "requests", row.requests.unwrap_or_default() as u64, requests);
        within(row.name, "peak KiB", row.taken.peak, 128 << 10);
    }
    for (row, push) in [&delta, &packs].into_iter().zip(&pushes) {
        let [found, bar] =
            [row, push].map(|row| u64::try_from(row.taken.wall.as_millis()).unwrap_or(u64::MAX));
        within(row.name, &format!("milliseconds, against {}", push.name), found, bar);
    }
    let size = |folder: &str| -> Result<u64> {
        let said = shell("du", &["-sb", text(&bench.served(folder))?]);
        Ok(said.split_whitespace().next().unwrap_or_default().parse()?)
    };
    let contents = size("os/packs")? + size("os/deltas")?;
    within("the repository", "bytes, against its packs and deltas", size("os")?, contents + contents / 10);
    Ok(())
}

fn within(name: &str, what: &str, found: u64, bar: u64) {
    println!("- {name}: {what}: {found} (bar: {bar}){}", if found > bar { " MISSED" } else { "" });
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    fn print(&self, ours: &Row) {
        println!(
            "| {} | {:.1} | {:.1} | {} | {:.1} | {:.1} | {:.1} | {} |",
            self.name,
            self.bytes as f64 / MB as f64,
            self.bytes as f64 / ours.bytes as f64,
            self.requests.map_or_else(String::new, |requests| requests.to_string()),
            self.taken.wall.as_secs_f64(),
            self.taken.wall.as_secs_f64() / ours.taken.wall.as_secs_f64(),
            self.taken.processor.as_secs_f64(),
            self.taken.peak >> 10
        );
    }
}

/// Two trees, and a server that has them.
pub struct Bench {
    /// Where everything is.
    pub place: PathBuf,
    /// The release, and the release with its updates.
    pub trees: [Tree; 2],
    /// The web server.
    pub server: Nginx,
}

impl Bench {
    /// A file or folder that the web server serves.
    pub fn served(&self, name: &str) -> PathBuf {
        self.place.join(SERVED).join(name)
    }

    /// Publishes twice, with a delta and without; returns what the second version with a delta took.
    fn publish(&self) -> Result<Usage> {
        let add = |repository: &str, tree: &Tree, label: &str, deltas: &str| -> Result<Usage> {
            let mut add = command("baserock-publish");
            add.arg("add").arg(self.served(repository)).arg(tree.path());
            add.args(["--label", label, "--channel", "stable", "--unsigned", "--deltas", deltas]);
            measure(&mut add)
        };
        let [release, updated] = &self.trees;
        add("os", release, "v1", "1")?;
        let taken = add("os", updated, "v2", "1")?;
        add("packs", release, "v1", "0")?;
        add("packs", updated, "v2", "0")?;
        Ok(taken)
    }

    /// Fetches by `system-version-manager`, to a disk with one of the trees, or with another small one.
    fn ours(&self, name: &'static str, repository: &str, label: &str, basis: Option<usize>) -> Result<Row> {
        let image = Image::to_be();
        let small = inputs::busybox()?;
        let tree = basis.map_or(small.as_path(), |basis| self.trees[basis].path());
        version::write(tree, &image.path(), MEGABYTES).ok();
        let mut fetch = command("system-version-manager");
        fetch.arg("--volume").arg(image.path()).args(["fetch", "--insecure-unsigned"]);
        self.row(name, fetch.arg(self.server.url(repository)).arg(label))
    }

    /// Pushes the updates to a machine with the release, over a link without a limit.
    fn push(&self, has_old: bool) -> Result<Row> {
        let [release, updated] = &self.trees;
        let push = push::unlimited(release.path(), updated.path(), has_old)?;
        Ok(Row { name: push.name, taken: push.taken, bytes: push.to + push.from, requests: None })
    }

    /// Measures a command that asks the web server.
    pub fn row(&self, name: &'static str, command: &mut Command) -> Result<Row> {
        settle()?;
        self.server.forget()?;
        let taken = measure(command)?;
        let (bytes, requests) = self.server.answered()?;
        Ok(Row { name, taken, bytes, requests: Some(requests) })
    }
}
