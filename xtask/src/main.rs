//! The commands for developers: `cargo xtask demo`, `test`, `crash`, `fuzz`, `bench`, `install`, `package`, `tidy`.

mod bench;
mod build;
mod crash;
mod demo;
mod epoch;
mod extension;
mod fuzz;
mod install;
mod interface;
mod lanes;
mod manual;
mod package;
mod packages;
mod root;
mod suites;
mod test;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The commands for developers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Test(test::Test),
    Crash(crash::Crash),
    Fuzz(fuzz::Fuzz),
    Bench(bench::Bench),
    Install(install::Install),
    Package(package::Package),
    /// Check the rules of the code: where code may spawn, be unsafe, print or panic; sizes of files; the map of the code
    Tidy,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Test(test) => test.run(),
        Command::Crash(crash) => crash.run(),
        Command::Fuzz(fuzz) => fuzz.run(),
        Command::Bench(bench) => bench.run(),
        Command::Install(install) => install.run(),
        Command::Package(package) => package.run(),
        Command::Tidy => tidy::run(),
    }
}
