//! `cargo xtask test`: runs all tests, and first installs the packages that they need.

use anyhow::{Result, ensure};

use crate::fuzz::Fuzz;
use crate::lanes::Lanes;
use crate::suites::{self, Pace};
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
        println!("testing the examples in the documentation");
        // Cargo tests them only by themselves.
        root::run(
            root::cargo("test").args(["--quiet", "--workspace", "--doc"]).arg("--").args(&self.filter),
        )?;
        println!("building the tests");
        let suites = suites::build()?;
        let lanes = Lanes { programs: &programs, filter: self.filter.as_deref() };
        if self.quick {
            let (quick, slow): (Vec<_>, Vec<_>) =
                suites.into_iter().partition(|suite| suite.pace == Pace::Seconds);
            let left_out: Vec<_> = slow.iter().map(|suite| &*suite.name).collect();
            println!("left out, because they take minutes: {}", left_out.join(" "));
            return lanes.run(quick, || Ok(()));
        }
        lanes.run(suites, || {
            if self.filter.is_some() {
                return Ok(());
            }
            println!("looking for inputs that break a reader, for minutes");
            Fuzz::default().run()
        })
    }
}

fn is_root() -> Result<bool> {
    Ok(root::output(root::command("id").arg("-u"))?.trim() == "0")
}
