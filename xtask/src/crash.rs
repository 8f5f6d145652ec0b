//! `cargo xtask crash`: the power is cut at every write of every operation.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use baserock_tests::crash::operations::{ALL, Operation};
use baserock_tests::crash::point::Point;
use baserock_tests::crash::run::{Plan, Recording, Report, kept, run};
use baserock_tests::crash::trees::Trees;

use crate::{build, packages};

/// Cut the power at every write of every operation, and check the disk as it is then
///
/// Prints a line for each operation, and one for each point at which something is wrong, with the command that looks at that point again.
#[derive(clap::Args)]
pub struct Crash {
    /// How many points of each operation; all, unless this is given
    #[arg(long)]
    points: Option<usize>,
    /// One operation, not all
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// What random choices come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Random choices of the writes that are not flushed, for each flush
    #[arg(long, default_value_t = 2, value_name = "N")]
    random: usize,
    /// Check one point of a recording that was kept
    #[arg(long, requires = "recording")]
    point: Option<String>,
    /// The recording
    #[arg(long, requires = "point", value_name = "DIR")]
    recording: Option<PathBuf>,
}

/// At every how manieth point what takes long is done, where all points are checked.
const CHECK: usize = 10;
const AGAIN: usize = 5;
const AGAIN_SLOW: usize = 50;

impl Crash {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, packages::TESTS])?;
        build::programs(build::Purpose::Debug)?;
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
        let again = if operation.is_slow { AGAIN_SLOW } else { AGAIN };
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
        let name = self.operation.as_ref().context("--operation NAME says what was recorded")?;
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
