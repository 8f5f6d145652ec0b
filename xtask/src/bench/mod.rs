//! `cargo xtask bench`: compares these tools with the best tools that people use instead, in the same run, as ratios.

mod chroot;
mod fetch;
mod fetch_peers;
mod fetch_server;
mod link;
mod load;
mod measure;
mod merge;
mod pairs;
mod push;
mod push_report;
mod rawdisk;
mod space;
mod watch;

use std::process::Command;

use anyhow::Result;
use baserock_tests::inputs::{self, Debian};

use crate::{build, packages, root};

/// The variable that tells the tests' fixtures where the programs are.
const PROGRAMS: &str = "BASEROCK_PROGRAMS";

/// Measure these tools and their peers in the same run, and print the ratios
#[derive(clap::Args)]
pub struct Bench {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(clap::Subcommand)]
enum Benchmark {
    /// baserock-system-config-sync over /etc of a Debian, against a shell script around diff and patch
    Merge,
    /// manage-baserock and enter-baserock, against tar, chroot and systemd-nspawn
    Chroot,
    /// rawdisk.write of a Debian tree, against mkfs.btrfs, mount, cp -a and sync
    Rawdisk,
    /// ssh-rsync.write of a Debian's updates, against rsync into a snapshot, on two links
    Push(push::Options),
    /// Fetching a Debian's updates from a repository, against ostree, casync, rsync and a whole download
    Fetch,
    /// Many machines that fetch the same version at once, from nginx
    Load(load::Options),
    /// The space that a Debian takes after twenty upgrades, against a new image of it
    Space(space::Options),
}

impl Bench {
    /// Runs one benchmark.
    pub fn run(&self) -> Result<()> {
        match &self.benchmark {
            Benchmark::Merge => {
                packages::ensure(&[
                    packages::RUNTIME,
                    packages::INPUTS,
                    packages::BUILD,
                    &["patch", "diffutils"],
                ])?;
                let etc = inputs::debian(Debian::Release)?.join("etc");
                merge::run(&etc, &build::programs(build::Purpose::Use)?.join("baserock-system-config-sync"))
            }
            Benchmark::Chroot => chroot::run(),
            Benchmark::Rawdisk => rawdisk::run(),
            Benchmark::Push(options) => push::run(options),
            Benchmark::Fetch => fetch::run(),
            Benchmark::Load(options) => load::run(options),
            Benchmark::Space(options) => space::run(options),
        }
    }
}

/// Runs a benchmark that uses the tests' fixtures, with the packages and the programs that these need.
fn with_programs(benchmark: impl FnOnce() -> Result<()>) -> Result<()> {
    packages::ensure(&[
        packages::RUNTIME,
        packages::INPUTS,
        packages::BUILD,
        packages::TESTS,
        &["time", "iproute2"],
    ])?;
    if std::env::var_os(PROGRAMS).is_some() {
        return benchmark();
    }
    // The fixtures look for the programs in this variable, and a process cannot safely change its own environment.
    let programs = build::programs(build::Purpose::Use)?;
    root::run(
        Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(PROGRAMS, programs),
    )
}
