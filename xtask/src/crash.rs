//! `cargo xtask crash`: cuts the power at every write of every operation.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use baserock_tests::crash::point::Point;
use baserock_tests::crash::run::{Plan, Recording, Report, kept, run};
use baserock_tests::operations::{ALL, Operation};
use baserock_tests::trees::Trees;

use crate::{build, packages};

/// Cut the power at every write of every operation, and check the disk after each cut
///
/// Prints a line for each operation. If a point fails, prints its faults and the command that checks this point again.
#[derive(clap::Args)]
pub struct Crash {
    /// Check only so many points of each operation [default: all]
    #[arg(long)]
    points: Option<usize>,
    /// Check only this operation [default: all]
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// The seed of random choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For each flush, try so many random choices of the unflushed writes
    #[arg(long, default_value_t = 2, value_name = "N")]
    random: usize,
    /// Check one point of a kept recording
    #[arg(long, requires = "recording")]
    point: Option<String>,
    /// The recording
    #[arg(long, requires = "point", value_name = "DIR")]
    recording: Option<PathBuf>,
}

/// If all points are checked, the slow checks are done at every n-th point only.
const CHECK: usize = 10;
const AGAIN: usize = 5;
const AGAIN_SLOW: usize = 50;

impl Crash {
    /// Runs the checks.
    pub fn run(&self) -> Result<()> {
        packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, packages::TESTS])?;
        build::programs(build::Purpose::Tests)?;
        let trees = Trees::new();
        if let (Some(point), Some(recording)) = (&self.point, &self.recording) {
            return self.replay(&trees, point, recording);
        }
        let mut failed = 0;
        for operation in self.operations()? {
            let begun = Instant::now();
            let report = run(operation, &trees, &self.plan(operation));
            println!("{report}, {} s", begun.elapsed().as_secs());
            self.show(operation, &report);
            failed += report.failures.len();
        }
        ensure!(failed == 0, "{failed} points failed");
        Ok(())
    }

    fn operations(&self) -> Result<Vec<&'static Operation>> {
        let names: Vec<&str> = ALL.iter().map(|operation| operation.name).collect();
        let wanted = self.operation.as_ref().map_or(names.clone(), |name| vec![name]);
        let find = |name: &str| {
            Operation::named(name)
                .ok_or_else(|| anyhow!("there is no operation {name}; there are: {}", names.join(", ")))
        };
        wanted.into_iter().map(find).collect()
    }

    fn plan(&self, operation: &Operation) -> Plan {
        let again = if operation.is_push() { AGAIN_SLOW } else { AGAIN };
        Plan { points: self.points, random: self.random, check: CHECK, again, seed: self.seed }
    }

    fn show(&self, operation: &Operation, report: &Report) {
        for (point, faults) in &report.failures {
            for fault in faults {
                println!("  at {point}: {fault}");
            }
            println!(
                "  again: cargo xtask crash --operation {} --seed {} --point {point} --recording {}",
                operation.name,
                self.seed,
                kept(operation).display()
            );
        }
    }

    fn replay(&self, trees: &Trees, point: &str, recording: &std::path::Path) -> Result<()> {
        let name = self.operation.as_ref().context("name the recorded operation with --operation NAME")?;
        let operation = Operation::named(name).with_context(|| format!("there is no operation {name}"))?;
        let point: Point = point.parse().map_err(|error: String| anyhow!(error))?;
        let plan = Plan { check: 1, again: 1, ..self.plan(operation) };
        let report = Recording::load(recording).check(operation, trees, &[point], &plan);
        println!("{report}");
        self.show(operation, &report);
        ensure!(report.is_clean(), "the point failed");
        Ok(())
    }
}
