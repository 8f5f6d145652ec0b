//! `cargo xtask install`: puts programs, extensions, man pages and completions in their places.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use baserock_terminal::completion;

use crate::build::{self, Architecture, Program};
use crate::{extension, interface, manual, packages, root};

/// Install the programs below a directory
///
/// The programs go to DIR/usr/bin, the extensions to DIR/usr/lib/baserock/extensions, with links in DIR/usr/bin, man pages and completions to
/// DIR/usr/share, and the units of systemd to DIR/usr/lib/systemd/system, where they are enabled. All programs are static, so that they run inside any root
/// filesystem.
#[derive(clap::Args)]
pub struct Install {
    /// The directory: a root filesystem, or / for this machine
    #[arg(long, default_value = "/", value_name = "DIR")]
    pub destdir: PathBuf,
    /// The architecture of the machine that uses the directory, as `uname -m` prints it
    #[arg(long, value_name = "ARCHITECTURE", default_value = ARCH)]
    pub architecture: String,
    /// Also install the programs for machines of this architecture, so that versions can be pushed to them and get the programs
    /// (repeatable)
    #[arg(long, value_name = "ARCHITECTURE")]
    pub agent: Vec<String>,
    /// Build fast, for tests: without optimisation, and with steps that can be made to fail
    #[arg(long)]
    pub debug: bool,
}

const BIN: &str = "usr/bin";
const EXTENSIONS: &str = "usr/lib/baserock/extensions";
const UNITS: &str = "usr/lib/systemd/system";
const SCRIPTS: &str = "usr/lib/baserock/init.d";
/// The program that runs on the target of a push.
const AGENT: &str = "baserock-agent";
/// The programs for machines of another architecture: that one, and those that `baserock-tools` puts into trees.
const MACHINE: [&str; 3] = [AGENT, "system-version-manager", "baserock-system-config-sync"];
/// The places below `usr/share` from which shells load completions.
const COMPLETIONS: [(&str, &str, &str); 3] = [
    ("bash", "bash-completion/completions", "NAME"),
    ("zsh", "zsh/vendor-completions", "_NAME"),
    ("fish", "fish/vendor_completions.d", "NAME.fish"),
];

impl Install {
    /// Builds and installs.
    pub fn run(&self) -> Result<()> {
        packages::ensure(&[packages::BUILD])?;
        let purpose = if self.debug { build::Purpose::Tests } else { build::Purpose::Use };
        let architecture = Architecture::named(&self.architecture)?;
        let programs = architecture.programs(purpose)?;
        for program in build::names()? {
            self.program(&program, &programs.join(&program.name), architecture)?;
        }
        for name in &self.agent {
            let architecture = Architecture::named(name)?;
            let folder = self.place_of_machine(architecture);
            for program in MACHINE {
                copy(&architecture.program(purpose, program)?, &folder.join(program), 0o755)?;
            }
        }
        self.scripts()?;
        self.units()?;
        self.documents()?;
        println!("installed below {}", self.destdir.display());
        Ok(())
    }

    /// Installs a program in its place.
    fn program(&self, program: &Program, file: &Path, architecture: &Architecture) -> Result<()> {
        match extension::installed_name(program) {
            Some(name) => self.extension(file, &name),
            None if program.name == AGENT => {
                copy(file, &self.place_of_machine(architecture).join(AGENT), 0o755)
            }
            None => copy(file, &self.destdir.join(BIN).join(&program.name), 0o755),
        }
    }

    /// The folder of programs for other machines. Those of several architectures stand side by side.
    fn place_of_machine(&self, architecture: &Architecture) -> PathBuf {
        self.destdir.join(EXTENSIONS).join("agents").join(architecture.name)
    }

    /// Extensions that are scripts, help files, and programs that are scripts.
    fn scripts(&self) -> Result<()> {
        for file in extension::files()? {
            let end = file.extension().unwrap_or_default().to_string_lossy().into_owned();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            match end.as_str() {
                "help" => copy(&file, &self.destdir.join(EXTENSIONS).join(&*name), 0o644)?,
                "sh" => copy(&file, &self.destdir.join(BIN).join(&*name), 0o755)?,
                kind if extension::arguments(kind).is_some() => self.extension(&file, &name)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Installs an extension. It has a link among the programs, so that it can be run by hand.
    fn extension(&self, file: &Path, name: &str) -> Result<()> {
        copy(file, &self.destdir.join(EXTENSIONS).join(name), 0o755)?;
        link(&Path::new("../lib/baserock/extensions").join(name), &self.destdir.join(BIN).join(name))
    }

    /// The units of systemd, which stand beside the programs that they run. They are enabled as the distribution's own are. Scripts for other
    /// init systems are to be copied from their folder.
    fn units(&self) -> Result<()> {
        let units = self.destdir.join(UNITS);
        for file in root::files_below("bins")? {
            if file.extension().is_some_and(|end| end == "service" || end == "timer") {
                let name = file.file_name().unwrap_or_default();
                let text =
                    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
                let target = text.lines().find_map(|line| line.strip_prefix("WantedBy="));
                copy(&file, &units.join(name), 0o644)?;
                if let Some(target) = target {
                    let wanted = units.join(format!("{target}.wants"));
                    link(&Path::new("..").join(name), &wanted.join(name))?;
                } else {
                    let has_timer = file.with_extension("timer").exists();
                    ensure!(has_timer, "{} has no line WantedBy=, and no timer", file.display());
                }
            }
            if file.extension().is_some_and(|end| end == "rc") {
                let name = file.file_stem().unwrap_or_default();
                copy(&file, &self.destdir.join(SCRIPTS).join(name), 0o755)?;
            }
        }
        Ok(())
    }

    /// Man pages and completions.
    fn documents(&self) -> Result<()> {
        let share = self.destdir.join("usr/share");
        for page in manual::pages()? {
            let place = |name: &str| share.join("man").join(manual::place(name, page.section));
            write(&place(&page.name), page.text.as_bytes())?;
            for name in &page.also {
                let target = place(&page.name);
                link(Path::new(target.file_name().unwrap_or_default()), &place(name))?;
            }
        }
        for interface in interface::all() {
            let name = interface.command.get_name().to_owned();
            for (shell, folder, file) in COMPLETIONS {
                let script =
                    completion::script(shell, &name).with_context(|| format!("no script for {shell}"))??;
                write(&share.join(folder).join(file.replace("NAME", &name)), &script)?;
            }
        }
        Ok(())
    }
}

/// Writes a file for all to read.
fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    let new = tempfile::NamedTempFile::new().context("cannot create a temporary file")?;
    fs::write(&new, bytes).with_context(|| format!("cannot write {}", new.path().display()))?;
    copy(new.path(), to, 0o644)
}

/// Copies a file beside its place and renames it, so that a running program is replaced and not written to.
fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let context = || format!("cannot install {} as {}", from.display(), to.display());
    let parent = to.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).with_context(context)?;
    let new = parent.join(format!(".{}.new", to.file_name().unwrap_or_default().to_string_lossy()));
    fs::copy(from, &new).with_context(context)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).with_context(context)?;
    fs::rename(&new, to).with_context(context)
}

/// Makes a symbolic link, unless it is there already.
fn link(target: &Path, at: &Path) -> Result<()> {
    if fs::read_link(at).is_ok_and(|found| found == target) {
        return Ok(());
    }
    let parent = at.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    std::os::unix::fs::symlink(target, at).with_context(|| format!("cannot link {}", at.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_names_the_rust_that_is_needed() {
        let readme = fs::read_to_string(root::path().join("README.md")).unwrap();
        assert!(readme.contains(&format!("Rust {} or newer", env!("CARGO_PKG_RUST_VERSION"))));
    }
}
