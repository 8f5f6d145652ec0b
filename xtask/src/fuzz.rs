//! `cargo xtask fuzz`: runs all readers of foreign bytes under libFuzzer, which looks for inputs that reach new code.

use std::collections::VecDeque;
use std::env::consts::ARCH;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::{packages, root};

/// Feed hostile inputs to all readers of foreign bytes
///
/// Inputs that reach new code are kept in target/fuzz/corpus, and inputs that break a reader in target/fuzz/artifacts.
#[derive(clap::Args)]
pub struct Fuzz {
    /// How long each target runs [default: 10 seconds; 30 for targets that strangers can reach over a network]
    #[arg(long)]
    seconds: Option<u64>,
    /// How many targets run at a time
    #[arg(long, default_value_t = JOBS)]
    jobs: usize,
    /// Look for no new inputs, but put the fewest inputs that reach the same code into target/fuzz/fewest
    #[arg(long)]
    minimise: bool,
    /// The targets [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

const JOBS: usize = 2;
/// Flags with which the stable compiler counts coverage, and shows libFuzzer the operands of comparisons.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg",
    "fuzzing",
];
/// Targets that strangers can reach, and the seconds for these and for other targets.
const EXPOSED: [&str; 2] = ["manifest", "stream"];
const LONGER: u64 = 30;
const USUAL: u64 = 10;
/// Limits for one input: seconds, and MiB of the whole process.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=1024"];
/// Targets that read archives, and their limit in MiB: the largest dictionary is 256 of it, and the fuzzer itself needs up to 130.
const ARCHIVES: [&str; 2] = ["archive", "images"];
const LESS: &str = "-rss_limit_mb=480";
/// Longest input, bytes.
const LONGEST: &str = "-max_len=8192";

impl Default for Fuzz {
    /// The values without arguments.
    fn default() -> Self {
        Fuzz { seconds: None, jobs: JOBS, minimise: false, targets: Vec::new() }
    }
}

impl Fuzz {
    /// Builds the fuzzer and runs the targets.
    pub fn run(&self) -> Result<()> {
        packages::ensure(&[packages::FUZZ])?;
        let known = targets()?;
        for name in &self.targets {
            ensure!(known.contains(name), "there is no target {name}; there are {}", known.join(", "));
        }
        let wanted = if self.targets.is_empty() { known } else { self.targets.clone() };
        let program = build()?;
        self.all(&program, wanted)
    }

    fn all(&self, program: &Path, wanted: Vec<String>) -> Result<()> {
        // The longest targets begin first, so that none runs alone at the end.
        let (exposed, usual): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|name| EXPOSED.contains(&&**name));
        let queue: Mutex<VecDeque<String>> = Mutex::new(exposed.into_iter().chain(usual).collect());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let failed = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    while let Some(name) = next() {
                        let outcome =
                            if self.minimise { minimise(program, &name) } else { self.one(program, &name) };
                        if let Err(error) = outcome {
                            eprintln!("{name}: {error:#}");
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        ensure!(failed.is_empty(), "failed: {}", failed.join(" "));
        Ok(())
    }

    fn one(&self, program: &Path, name: &str) -> Result<()> {
        let usual = if EXPOSED.contains(&name) { LONGER } else { USUAL };
        let seconds = self.seconds.unwrap_or(usual);
        let found = folder("corpus")?.join(name);
        fs::create_dir_all(&found)?;
        let artifacts = format!("-artifact_prefix={}/{name}-", folder("artifacts")?.display());
        let log = folder("logs")?.join(name);
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = fuzzer(program, name);
        command.args([&*artifacts, &format!("-max_total_time={seconds}"), LONGEST]).args(LIMITS);
        if ARCHIVES.contains(&name) {
            command.arg(LESS);
        }
        command.args(["-print_final_stats=1", "-verbosity=1"]).args([&found, &kept(name)]);
        let status =
            command.stdout(output.try_clone()?).stderr(output).status().context("cannot run the fuzzer")?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if !status.success() {
            bail!("{status}\n{}", fault(&text));
        }
        println!("{name}: {}", summary(&text));
        Ok(())
    }
}

/// A summary of the log: the number of inputs, and the last line about coverage.
fn summary(log: &str) -> String {
    let after = |key: &str| {
        let line = log.lines().rev().find(|line| line.contains(key))?;
        line.split(key).nth(1)?.split_whitespace().next()
    };
    let [inputs, edges, features] =
        ["number_of_executed_units:", " cov: ", " ft: "].map(|key| after(key).unwrap_or("?"));
    format!("{inputs} inputs, {edges} edges and {features} features covered")
}

/// The lines of the log about the fault: the message of the panic, the fuzzer's reason, and the path of the input.
fn fault(log: &str) -> String {
    let begin = log.lines().position(|line| line.contains("panicked at ")).unwrap_or(usize::MAX);
    let message = log.lines().skip(begin).take_while(|line| !line.starts_with("stack backtrace:"));
    let wanted = |line: &&str| {
        ["SUMMARY:", "ERROR:", "Test unit written to", "memory allocation of"]
            .iter()
            .any(|word| line.contains(word))
    };
    message.chain(log.lines().filter(wanted)).collect::<Vec<_>>().join("\n")
}

fn minimise(program: &Path, name: &str) -> Result<()> {
    let (found, kept) = (folder("corpus")?.join(name), kept(name));
    let fewest = folder("fewest")?.join(name);
    if fewest.exists() {
        fs::remove_dir_all(&fewest)?;
    }
    fs::create_dir_all(&fewest)?;
    let mut command = fuzzer(program, name);
    command.args(["-set_cover_merge=1", LONGEST]).args(LIMITS).args([&fewest, &kept, &found]);
    let output = command.output().context("cannot run the fuzzer")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{name}: {} inputs in {}", fs::read_dir(&fewest)?.count(), fewest.display());
    Ok(())
}

fn fuzzer(program: &Path, name: &str) -> std::process::Command {
    let mut command = root::command(program);
    command.env("FUZZ_TARGET", name);
    command
}

/// The inputs that are in the repository.
fn kept(name: &str) -> PathBuf {
    root::path().join("tests/fuzz/corpus").join(name)
}

fn folder(name: &str) -> Result<PathBuf> {
    let folder = root::target().join("fuzz").join(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root::path().join("tests/fuzz/corpus")).context("cannot list the corpora")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds the fuzzer in a folder of its own, because all its dependencies are built with other flags.
fn build() -> Result<PathBuf> {
    println!("building the fuzzer");
    let target = format!("{ARCH}-unknown-linux-gnu");
    let place = root::target().join("fuzz");
    let mut build = root::cargo("build");
    build.args(["--quiet", "--package", "baserock-fuzz", "--bins", "--features", "fuzzer"]);
    build.args(["--profile", "fuzz", "--target", &target]).arg("--target-dir").arg(&place);
    root::run(build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))?;
    Ok(place.join(target).join("fuzz").join("baserock-fuzz"))
}
