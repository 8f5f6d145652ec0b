//! The power goes at any moment of any operation: a sample of the moments that `cargo xtask crash` checks all of.
//!
//! Pace: minutes

use baserock_tests::crash::run::{Plan, kept, run};
use baserock_tests::operations::ALL;
use baserock_tests::trees::Trees;

/// Points of each operation.
const POINTS: usize = 12;
/// Points of all.
const AT_LEAST: usize = 300;

#[test]
fn whenever_the_power_goes_a_whole_version_boots() {
    let trees = Trees::new();
    let (mut points, mut failures) = (0, Vec::new());
    for operation in &ALL {
        let again = if operation.is_push() { 9 } else { 2 };
        let plan = Plan { points: Some(POINTS), random: 2, check: 5, again, seed: 1 };
        let report = run(operation, &trees, &plan);
        println!("{report}");
        points += report.points;
        for (point, faults) in report.failures {
            failures.push(format!(
                "{} at {point}: {}\n  cargo xtask crash --operation {} --seed {} --point {point} --recording {}",
                operation.name,
                faults.join("; "),
                operation.name,
                plan.seed,
                kept(operation).display()
            ));
        }
    }
    assert!(points >= AT_LEAST, "{points} points");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
