//! Compares fetching a published version with pulling it by ostree, and with a whole download, all from nginx on this machine.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use baserock_tests::bootable::Tree;
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::{command, shell};
use baserock_tests::version;

use super::measure::{Usage, measure, settle};
use super::with_programs;
use crate::{packages, root};

const MEGABYTES: u64 = 8192;
const MB: u64 = 1_000_000;
const SERVED: &str = "served";

/// One way to get a version.
struct Row {
    name: &'static str,
    taken: Usage,
    bytes: u64,
    requests: usize,
}

/// Fetches the updates of a Debian release in several ways.
pub fn run() -> Result<()> {
    packages::ensure(&[&["nginx", "ostree", "curl", "zstd"]])?;
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
    println!("publishing the updates after the release took {:.1} s (bar: 60)", published.wall.as_secs_f64());
    println!("\n| how | MB | requests | seconds | processor seconds | peak MiB |\n|---|---|---|---|---|---|");
    let rows = [
        bench.ours("fetch, with a delta", "os", Some(0))?,
        bench.ours("fetch, from any version", "packs", Some(0))?,
        bench.ours("fetch, whole", "packs", None)?,
    ];
    bench.whole("curl, all of it in tar.zst")?;
    // A static delta takes a quarter of an hour.
    bench.publish_for_ostree()?;
    bench.ostree("ostree pull, static delta", &[])?;
    bench.ostree("ostree pull", &["--disable-static-deltas"])?;
    let within = |what: &str, found: u64, bar: u64| {
        println!("- {what}: {found} (bar: {bar}){}", if found > bar { " MISSED" } else { "" });
    };
    println!();
    for (row, bytes, requests) in [(&rows[0], 21 * MB, 5), (&rows[1], 80 * MB, 50), (&rows[2], 140 * MB, 100)]
    {
        within(&format!("{}: bytes", row.name), row.bytes, bytes);
        within(&format!("{}: requests", row.name), row.requests as u64, requests);
        within(&format!("{}: peak KiB", row.name), row.taken.peak, 128 << 10);
    }
    Ok(())
}

struct Bench {
    place: PathBuf,
    trees: [Tree; 2],
    server: Nginx,
}

impl Bench {
    fn served(&self, name: &str) -> PathBuf {
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
        let script = "tar -C \"$0\" --xattrs --numeric-owner -cf - . | zstd -q -T0 -9 --long=27 -o \"$1\"";
        shell("sh", &["-c", script, text(updated.path())?, text(&self.served("whole.tar.zst"))?]);
        Ok(taken)
    }

    fn publish_for_ostree(&self) -> Result<()> {
        let repository = self.served("ostree");
        let ostree = |arguments: &[&str]| -> Result<()> {
            let mut ostree = Command::new("ostree");
            root::run(ostree.arg(format!("--repo={}", text(&repository)?)).args(arguments))
        };
        fs::create_dir_all(&repository)?;
        ostree(&["init", "--mode=archive"])?;
        for tree in &self.trees {
            // Devices are not part of such a commit.
            shell(
                "sh",
                &["-c", "find \"$0\" \\( -type b -o -type c -o -type p \\) -delete", text(tree.path())?],
            );
            ostree(&[
                "commit",
                "--branch=os",
                "--no-bindings",
                &format!("--tree=dir={}", text(tree.path())?),
            ])?;
        }
        ostree(&["static-delta", "generate", "os"])?;
        ostree(&["summary", "--update"])
    }

    /// Fetches by `system-version-manager`, to a disk with one of the trees, or with another small one.
    fn ours(&self, name: &'static str, repository: &str, basis: Option<usize>) -> Result<Row> {
        let image = Image::to_be();
        let small = inputs::busybox()?;
        let tree = basis.map_or(small.as_path(), |basis| self.trees[basis].path());
        version::write(tree, &image.path(), MEGABYTES).ok();
        let mut fetch = command("system-version-manager");
        fetch.arg("--volume").arg(image.path()).args(["fetch", "--insecure-unsigned"]);
        fetch.arg(self.server.url(repository));
        self.row(name, &mut fetch)
    }

    fn ostree(&self, name: &'static str, options: &[&str]) -> Result<Row> {
        let client = tempfile::TempDir::new_in(&self.place)?;
        let repository = format!("--repo={}", text(client.path())?);
        let ostree = |arguments: &[&str]| -> Result<()> {
            root::run(Command::new("ostree").arg(&repository).args(arguments))
        };
        ostree(&["init", "--mode=bare"])?;
        ostree(&["remote", "add", "--no-gpg-verify", "origin", &self.server.url("ostree"), "os"])?;
        ostree(&["pull", "origin", "os^"]).or_else(|_| {
            let server = format!("--repo={}", text(&self.served("ostree"))?);
            let release = root::output(Command::new("ostree").arg(server).args(["rev-parse", "os^"]))?;
            ostree(&["pull", "origin", &format!("os@{}", release.trim())])
        })?;
        let mut pull = Command::new("ostree");
        pull.arg(&repository).arg("pull").args(options).args(["origin", "os"]);
        self.row(name, &mut pull)
    }

    fn whole(&self, name: &'static str) -> Result<Row> {
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "-o"]).arg(self.place.join("downloaded")).arg(self.server.url("whole.tar.zst"));
        self.row(name, &mut curl)
    }

    fn row(&self, name: &'static str, command: &mut Command) -> Result<Row> {
        settle()?;
        self.server.forget()?;
        let taken = measure(command)?;
        let (bytes, requests) = self.server.answered()?;
        let row = Row { name, taken, bytes, requests };
        println!(
            "| {name} | {}.{} | {requests} | {:.1} | {:.1} | {} |",
            bytes / MB,
            bytes % MB / (MB / 10),
            taken.wall.as_secs_f64(),
            taken.processor.as_secs_f64(),
            taken.peak >> 10
        );
        Ok(row)
    }
}

/// A web server, ended with this value.
struct Nginx {
    place: PathBuf,
    port: u16,
    process: Child,
}

impl Nginx {
    fn start(place: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let shown = text(place)?;
        let configuration = format!(
            "daemon off; master_process off; user root; pid {shown}/pid; error_log {shown}/error.log; events {{ }}\n\
             http {{ log_format bytes '$body_bytes_sent'; access_log {shown}/bytes.log bytes; sendfile on;\n\
             server {{ listen 127.0.0.1:{port}; root {shown}/{SERVED}; }} }}\n"
        );
        fs::write(place.join("nginx.conf"), configuration)?;
        let mut nginx = Command::new("nginx");
        let process = nginx.arg("-p").arg(place).arg("-c").arg(place.join("nginx.conf")).spawn();
        let process = process.context("cannot run nginx (Debian package nginx)")?;
        let server = Nginx { place: place.to_owned(), port, process };
        for _ in 0..50 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("nginx does not listen; see {shown}/error.log")
    }

    fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// From now on answers are counted.
    fn forget(&self) -> Result<()> {
        Ok(fs::write(self.place.join("bytes.log"), "")?)
    }

    /// Bytes of the answers since then, and how many.
    fn answered(&self) -> Result<(u64, usize)> {
        let log = fs::read_to_string(self.place.join("bytes.log"))?;
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        ensure!(!lines.is_empty(), "nginx has answered nothing");
        let bytes = lines.iter().map(|line| line.parse::<u64>()).sum::<Result<u64, _>>()?;
        Ok((bytes, lines.len()))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not text")
}
