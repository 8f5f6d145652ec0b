//! `cargo xtask test`: every test, with what it needs installed first.

use anyhow::{Result, ensure};

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

/// Suites that make Debian root filesystems, boot machines, or take minutes for another reason, by the beginnings of their names.
const SLOW: [&str; 10] = [
    "boot_",
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
        let mut test = root::cargo();
        test.args(["test", "--workspace", "--no-fail-fast"]).env("BASEROCK_PROGRAMS", programs);
        if self.quick {
            let (slow, quick): (Vec<_>, Vec<_>) =
                build::suites()?.into_iter().partition(|name| is_slow(name));
            println!("left out, since they take minutes: {}", slow.join(" "));
            test.args(["--lib", "--bins"]).args(quick.iter().flat_map(|name| ["--test", name]));
        }
        root::run(test.arg("--").args(&self.filter))?;
        if self.quick || self.filter.is_some() {
            return Ok(());
        }
        println!("looking for inputs that break a reader, for minutes");
        Fuzz::default().run()
    }
}

fn is_slow(suite: &str) -> bool {
    SLOW.iter().any(|beginning| suite.starts_with(beginning))
}

fn is_root() -> Result<bool> {
    Ok(root::output(root::command("id").arg("-u"))?.trim() == "0")
}
