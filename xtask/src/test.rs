//! `cargo xtask test`: runs all tests, and first installs the packages that they need.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{slice, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::fuzz::Fuzz;
use crate::suites::{self, Pace, Suite};
use crate::{build, packages, root};

/// Run all tests, installing the Debian packages that they need first
#[derive(clap::Args)]
pub struct Test {
    /// Run only the suites that take seconds: no Debian root filesystems, no booted machines, no fuzzing; lists the suites that are left
    /// out
    #[arg(long)]
    quick: bool,
    /// Run only tests whose names contain this
    filter: Option<String>,
}

impl Test {
    /// Runs the tests.
    pub fn run(&self) -> Result<()> {
        ensure!(is_root()?, "the tests make filesystems and mount them: run cargo xtask test as root");
        packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, packages::TESTS])?;
        println!("building the programs");
        let programs = build::programs(build::Purpose::Tests)?;
        if self.filter.is_some() && !self.quick {
            return root::run(cargo(&programs, &["--workspace"], &[]).arg("--").args(&self.filter));
        }
        let (mut booting, others): (Vec<_>, Vec<_>) =
            suites::all()?.into_iter().partition(|suite| suite.pace.boots());
        booting.sort_by_key(|suite| suite.pace);
        let booting = names(booting);
        if self.quick {
            let (quick, slow): (Vec<_>, Vec<_>) =
                others.into_iter().partition(|suite| suite.pace == Pace::Seconds);
            println!("left out, because they take minutes: {} {}", names(slow).join(" "), booting.join(" "));
            root::run(cargo(&programs, &DOCUMENTATION, &[]).arg("--").args(&self.filter))?;
            return root::run(cargo(&programs, &REST, &names(quick)).arg("--").args(&self.filter));
        }
        root::run(&mut cargo(&programs, &DOCUMENTATION, &[]))?;
        root::run(&mut cargo(&programs, &["--workspace", "--no-run"], &[]))?;
        beside(&programs, booting, || {
            root::run(&mut cargo(&programs, &REST, &names(others)))?;
            println!("looking for inputs that break a reader, for minutes");
            Fuzz::default().run()
        })
    }
}

fn names(suites: Vec<Suite>) -> Vec<String> {
    suites.into_iter().map(|suite| suite.name).collect()
}

/// The arguments of cargo for the tests beside the named suites.
const REST: [&str; 3] = ["--workspace", "--lib", "--bins"];

/// The examples in the documentation. Cargo tests them only by themselves.
const DOCUMENTATION: [&str; 2] = ["--workspace", "--doc"];

/// `cargo test` with these programs.
fn cargo(programs: &Path, what: &[&str], suites: &[String]) -> Command {
    let mut test = root::cargo("test");
    test.arg("--no-fail-fast").args(what).args(suites.iter().flat_map(|name| ["--test", name]));
    test.env("BASEROCK_PROGRAMS", programs);
    test
}

/// Runs the suites that boot machines beside all others. They get one processor, and a second one when the others have ended.
fn beside(programs: &Path, booting: Vec<String>, rest: impl FnOnce() -> Result<()>) -> Result<()> {
    let suites = Mutex::new(booting);
    thread::scope(|scope| {
        let machines = scope.spawn(|| boot(programs, &suites));
        let outcomes =
            [rest(), boot(programs, &suites), machines.join().unwrap_or_else(|_| bail!("a thread failed"))];
        outcomes.into_iter().collect()
    })
}

/// Runs suites that boot machines until none is left, the last of the list first. The output of a suite is shown at its end.
fn boot(programs: &Path, suites: &Mutex<Vec<String>>) -> Result<()> {
    let mut failed = Vec::new();
    loop {
        let next = suites.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(suite) = next else { break };
        println!("booting machines beside the other tests: {suite}");
        let mut test = cargo(programs, &["--workspace"], slice::from_ref(&suite));
        let output = test.output().context("cannot run cargo")?;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        println!("{suite}:\n{}{}", said[0], said[1]);
        if !output.status.success() {
            failed.push(suite);
        }
    }
    ensure!(failed.is_empty(), "tests that boot machines failed: {}", failed.join(" "));
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(root::output(root::command("id").arg("-u"))?.trim() == "0")
}
