//! Runs suites beside each other: machines boot on one processor, and most other suites wait for disks and clocks more than they compute.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::suites::Suite;

/// What all suites are run with.
pub struct Lanes<'a> {
    /// The folder of the programs.
    pub programs: &'a Path,
    /// Only tests whose names contain this are run.
    pub filter: Option<&'a str>,
}

/// Suites that have yet to run, the quickest first.
struct Queue(Mutex<VecDeque<Suite>>);

impl Queue {
    fn quickest(&self) -> Option<Suite> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn slowest(&self) -> Option<Suite> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }
}

impl Lanes<'_> {
    /// Runs all suites: those that boot machines one by one; the others two at a time, a slow one beside a quick one; and then `last`. Whoever
    /// has nothing left to do helps with the machines.
    pub fn run(&self, mut suites: Vec<Suite>, last: impl FnOnce() -> Result<()>) -> Result<()> {
        suites.sort_by_key(|suite| suite.pace);
        let (booting, others) = suites.into_iter().partition(|suite| suite.pace.boots());
        let [booting, others] = [booting, others].map(|suites| Queue(Mutex::new(suites)));
        thread::scope(|scope| {
            let machines = scope.spawn(|| self.all(|| booting.slowest().or_else(|| others.quickest())));
            let beside = scope.spawn(|| self.all(|| others.quickest().or_else(|| booting.slowest())));
            let outcomes = [
                self.all(|| others.slowest()),
                last(),
                self.all(|| booting.slowest()),
                machines.join().unwrap_or_else(|_| bail!("a thread failed")),
                beside.join().unwrap_or_else(|_| bail!("a thread failed")),
            ];
            let failures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
            let failures: Vec<_> = failures.iter().map(|error| format!("{error:#}")).collect();
            ensure!(failures.is_empty(), "{}", failures.join("\n"));
            Ok(())
        })
    }

    fn all(&self, next: impl Fn() -> Option<Suite>) -> Result<()> {
        let mut failed = Vec::new();
        while let Some(suite) = next() {
            match self.one(&suite) {
                Ok(true) => {}
                Ok(false) => failed.push(suite.name),
                Err(error) => failed.push(format!("{} ({error:#})", suite.name)),
            }
        }
        ensure!(failed.is_empty(), "tests failed: {}", failed.join(" "));
        Ok(())
    }

    /// Runs a suite, and shows its output at its end: that of a suite which passes only in short. Returns whether it passed.
    fn one(&self, suite: &Suite) -> Result<bool> {
        let begun = Instant::now();
        let mut command = suite.command();
        command.env("BASEROCK_PROGRAMS", self.programs).args(self.filter);
        let output = command.output().with_context(|| format!("cannot run {}", suite.name))?;
        let [said, errors] =
            [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        let passed = output.status.success();
        let result = said.lines().rfind(|line| line.starts_with("test result: ")).unwrap_or("no result");
        // Of suites without such a test nothing is said.
        if self.filter.is_none() || !result.contains(" 0 passed; 0 failed; 0 ignored;") {
            println!("{}: {result}, {} s", suite.name, begun.elapsed().as_secs());
        }
        if !passed {
            println!("{said}{errors}{}: {}", suite.name, output.status);
        }
        Ok(passed)
    }
}
