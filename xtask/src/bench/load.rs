//! Many machines that fetch the same version at once, each to a volume of its own.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use baserock_tests::image::Image;
use baserock_tests::programs::command;
use baserock_tests::trees::Trees;
use baserock_tests::version;

use super::fetch_server::{Nginx, SERVED};
use super::with_programs;
use crate::{packages, root};

/// How many machines fetch.
#[derive(clap::Args)]
pub struct Options {
    /// Machines that fetch at once
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1000))]
    clients: u64,
}

/// All have ended after so long, or it is a failure.
const MOST: Duration = Duration::from_secs(600);

/// Has many machines fetch the second of two small trees by a delta.
pub fn run(options: &Options) -> Result<()> {
    packages::ensure(&[&["nginx"]])?;
    with_programs(|| all(options.clients))
}

fn all(clients: u64) -> Result<()> {
    let place = root::target().join("bench/load");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let repository = place.join(SERVED).join("os");
    fs::create_dir_all(place.join(SERVED))?;
    let trees = Trees::new();
    for (label, tree) in [("v1", trees.first()), ("v2", trees.second())] {
        let mut add = command("baserock-publish");
        add.arg("add").arg(&repository).arg(tree);
        root::output(add.args(["--label", label, "--channel", "stable", "--unsigned"]))?;
    }
    let image = Image::to_be();
    version::write(&trees.first(), &image.path(), 512).ok();
    let images: Vec<Image> = (0..clients).map(|_| image.copy()).collect();
    let server = Nginx::start(&place)?;
    let (before, begun) = (server.processor()?, Instant::now());
    let fetching = images.iter().map(|image| {
        let mut fetch = command("system-version-manager");
        fetch
            .arg("--quiet")
            .arg("--volume")
            .arg(image.path())
            .args(["fetch", "--insecure-unsigned"])
            .arg(server.url("os"));
        fetch.stdout(Stdio::null()).spawn().context("cannot start a fetch")
    });
    let mut fetching = Fetching(fetching.collect::<Result<_>>()?);
    fetching.wait(begun + MOST)?;
    let (taken, processor) = (begun.elapsed(), server.processor()?.saturating_sub(before));
    let (bytes, requests) = server.answered()?;
    println!("| machines | seconds | KB a machine | requests a machine | processor seconds of nginx |");
    println!("|---|---|---|---|---|");
    println!(
        "| {clients} | {:.1} | {} | {} | {:.2} |",
        taken.as_secs_f64(),
        bytes / 1000 / clients,
        requests as u64 / clients,
        processor.as_secs_f64()
    );
    Ok(())
}

/// Fetches that have begun. They are ended with this value.
struct Fetching(Vec<Child>);

impl Fetching {
    /// Waits until all have succeeded.
    fn wait(&mut self, latest: Instant) -> Result<()> {
        let all = self.0.len();
        while let Some(fetch) = self.0.last_mut() {
            match fetch.try_wait()? {
                Some(status) if status.success() => drop(self.0.pop()),
                Some(status) => bail!("one of {all} fetches failed ({status}); its words are above"),
                None if Instant::now() > latest => {
                    bail!("{} of {all} fetches have not ended after {} s", self.0.len(), MOST.as_secs());
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        }
        Ok(())
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        for fetch in &mut self.0 {
            // Both fail only if it has ended already.
            let _ended = fetch.kill();
            let _ended = fetch.wait();
        }
    }
}
