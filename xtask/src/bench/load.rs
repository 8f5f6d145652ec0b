//! Many machines that fetch the same version at once, each to a volume of its own.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
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
    #[arg(long, default_value_t = 200)]
    clients: usize,
}

/// All have ended after so long, or it is a failure.
const MOST: Duration = Duration::from_secs(600);

/// Has many machines fetch the second of two small trees by a delta.
pub fn run(options: &Options) -> Result<()> {
    packages::ensure(&[&["nginx"]])?;
    with_programs(|| all(options.clients))
}

fn all(clients: usize) -> Result<()> {
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
        run_quietly(add.args(["--label", label, "--channel", "stable", "--unsigned"]))?;
    }
    let image = Image::to_be();
    version::write(&trees.first(), &image.path(), 512).ok();
    let images: Vec<Image> = (0..clients).map(|_| image.copy()).collect();
    let server = Nginx::start(&place)?;
    let (before, begun) = (server.processor()?, Instant::now());
    let fetching = images.iter().map(|image| {
        let mut fetch = command("system-version-manager");
        fetch.arg("--volume").arg(image.path()).args(["fetch", "--insecure-unsigned"]).arg(server.url("os"));
        fetch.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot start a fetch")
    });
    let fetching = fetching.collect::<Result<Vec<_>>>()?;
    for fetch in fetching {
        let output = fetch.wait_with_output()?;
        ensure!(output.status.success(), "a fetch failed: {}", String::from_utf8_lossy(&output.stderr));
        ensure!(begun.elapsed() < MOST, "{clients} fetches have not ended after {} s", MOST.as_secs());
    }
    let (taken, processor) = (begun.elapsed(), server.processor()?.saturating_sub(before));
    let (bytes, requests) = server.answered()?;
    println!("| machines | seconds | KB a machine | requests a machine | processor seconds of nginx |");
    println!("|---|---|---|---|---|");
    println!(
        "| {clients} | {:.1} | {} | {} | {:.2} |",
        taken.as_secs_f64(),
        bytes / 1000 / clients as u64,
        requests / clients,
        processor.as_secs_f64()
    );
    Ok(())
}

fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))
}
