//! `cargo xtask test`: every test, with what it needs installed first.

use anyhow::{Result, ensure};

use crate::{build, packages, root};

/// Run all tests, installing the Debian packages that they need first
#[derive(clap::Args)]
pub struct Test {
    /// Only what takes seconds: no Debian root filesystems, no booted machines
    #[arg(long)]
    quick: bool,
    /// Only tests whose names contain this
    filter: Option<String>,
}

impl Test {
    /// Runs them.
    pub fn run(&self) -> Result<()> {
        ensure!(is_root(), "the tests make filesystems and mount them: run cargo xtask test as root");
        packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, packages::TESTS])?;
        println!("building the programs");
        let programs = build::programs("dev")?;
        let mut test = root::cargo();
        test.args(["test", "--workspace", "--no-fail-fast"]).env("BASEROCK_PROGRAMS", programs);
        if self.quick {
            test.env("BASEROCK_TESTS", "quick");
        }
        root::run(test.arg("--").args(&self.filter))
    }
}

fn is_root() -> bool {
    root::output(root::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
