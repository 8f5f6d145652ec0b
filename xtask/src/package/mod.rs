//! `cargo xtask package`: Debian packages, and an archive for other systems.
//!
//! What `cargo xtask install` installs is split by one table ([`contents`]). The same programs make the same bytes: every file has the time of
//! the sources, and names are in order.

mod archive;
mod contents;
mod control;
mod deb;
mod documents;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::build::Architecture;
use crate::install::Install;
use crate::{epoch, root};

/// Make Debian packages and a tar archive, which are installed on other machines
///
/// `baserock` has what a machine needs that has versions, `baserock-deploy` what makes images and pushes. Each is made for each architecture. The
/// archive has both. SHA256SUMS has the checksums of all. The same programs make the same files: their time is that of the last commit, or
/// SOURCE_DATE_EPOCH.
#[derive(clap::Args)]
pub struct Package {
    /// The folder for the packages [default: target/package]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Make them only for this architecture, as `uname -m` prints it (repeatable)
    #[arg(long, value_name = "ARCHITECTURE")]
    architecture: Vec<String>,
    /// Build fast, for tests: without optimisation, and with steps that can be made to fail
    #[arg(long)]
    debug: bool,
}

/// What every step of making packages needs to know.
struct Making {
    /// The folder for what is made.
    output: PathBuf,
    /// Seconds since 1970: the time of all files.
    epoch: u64,
    /// How hard to compress: 1 to 9.
    level: &'static str,
}

impl Package {
    /// Builds and packs.
    pub fn run(&self) -> Result<()> {
        let output = self.output.clone().unwrap_or_else(|| root::target().join("package"));
        fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
        let making = Making { output, epoch: epoch::seconds()?, level: if self.debug { "1" } else { "9" } };
        let mut made = Vec::new();
        for architecture in self.architectures()? {
            let tree = tempfile::tempdir().context("cannot create a temporary folder")?;
            let others = Architecture::all().iter().filter(|other| other.name != architecture.name);
            Install {
                destdir: tree.path().to_owned(),
                architecture: architecture.name.to_owned(),
                agent: others.map(|other| other.name.to_owned()).collect(),
                debug: self.debug,
            }
            .run()?;
            made.extend(making.pack(tree.path(), architecture)?);
        }
        made.push(archive::checksums(&making, &made)?);
        for file in &made {
            println!("{}", file.display());
        }
        Ok(())
    }

    fn architectures(&self) -> Result<Vec<&'static Architecture>> {
        if self.architecture.is_empty() {
            return Ok(Architecture::all().iter().collect());
        }
        self.architecture.iter().map(|name| Architecture::named(name)).collect()
    }
}

impl Making {
    /// Makes everything of an installed tree.
    fn pack(&self, tree: &Path, architecture: &Architecture) -> Result<Vec<PathBuf>> {
        documents::add(tree, self.epoch)?;
        let mut made = vec![archive::make(self, tree, architecture)?];
        for package in &control::PACKAGES {
            made.push(deb::make(self, tree, package, architecture)?);
        }
        Ok(made)
    }
}
