//! `cargo xtask test`: every test, with what it needs installed first.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::fuzz::Fuzz;
use crate::{build, packages, root};

/// Run all tests, installing the Debian packages that they need first
#[derive(clap::Args)]
pub struct Test {
    /// Only what takes seconds: no Debian root filesystems, no booted machines, no fuzzing; tells which suites are left out
    #[arg(long)]
    quick: bool,
    /// Only tests whose names contain this
    filter: Option<String>,
}

/// How the names of suites that boot machines begin.
const BOOTING: &str = "boot_";

/// Other suites that make Debian root filesystems, or take minutes for another reason, by the beginnings of their names.
const SLOW: [&str; 9] = [
    "chroot_debian",
    "crash_",
    "debian_",
    "full_disk",
    "merge_oracle",
    "morph_builders",
    "push",
    "steps",
    "two_at_once",
];

impl Test {
    /// Runs them.
    pub fn run(&self) -> Result<()> {
        ensure!(is_root()?, "the tests make filesystems and mount them: run cargo xtask test as root");
        packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, packages::TESTS])?;
        println!("building the programs");
        let programs = build::programs(build::Purpose::Tests)?;
        if self.filter.is_some() && !self.quick {
            return root::run(cargo(&programs, &["--workspace"], &[]).arg("--").args(&self.filter));
        }
        let (booting, others): (Vec<_>, Vec<_>) =
            build::suites()?.into_iter().partition(|name| name.starts_with(BOOTING));
        if self.quick {
            let (slow, quick): (Vec<_>, Vec<_>) = others.into_iter().partition(|name| is_slow(name));
            println!("left out, since they take minutes: {} {}", slow.join(" "), booting.join(" "));
            return root::run(cargo(&programs, &REST, &quick).arg("--").args(&self.filter));
        }
        root::run(&mut cargo(&programs, &["--workspace", "--no-run"], &[]))?;
        let machines = cargo(&programs, &["--workspace"], &booting);
        beside(machines, || {
            root::run(&mut cargo(&programs, &REST, &others))?;
            println!("looking for inputs that break a reader, for minutes");
            Fuzz::default().run()
        })
    }
}

/// What is tested beside named suites.
const REST: [&str; 3] = ["--workspace", "--lib", "--bins"];

/// `cargo test` with these programs.
fn cargo(programs: &Path, what: &[&str], suites: &[String]) -> Command {
    let mut test = root::cargo();
    test.args(["test", "--no-fail-fast"]).args(what).args(suites.iter().flat_map(|name| ["--test", name]));
    test.env("BASEROCK_PROGRAMS", programs);
    test
}

/// Most machines have one processor to wait for, so they boot beside everything else; what they say is shown at their end.
fn beside(mut machines: Command, rest: impl FnOnce() -> Result<()>) -> Result<()> {
    let log = root::target().join("machines.log");
    let shown = log.display();
    let file = File::create(&log).with_context(|| format!("cannot write {shown}"))?;
    println!("booting machines beside the other tests: {shown}");
    let mut child = machines.stdout(file.try_clone()?).stderr(file).spawn().context("cannot run cargo")?;
    let outcome = rest();
    let status = child.wait().context("cannot wait for cargo")?;
    println!("{}", fs::read_to_string(&log).with_context(|| format!("cannot read {shown}"))?);
    outcome?;
    ensure!(status.success(), "the tests that boot machines failed ({status})");
    Ok(())
}

fn is_slow(suite: &str) -> bool {
    SLOW.iter().any(|beginning| suite.starts_with(beginning))
}

fn is_root() -> Result<bool> {
    Ok(root::output(root::command("id").arg("-u"))?.trim() == "0")
}
