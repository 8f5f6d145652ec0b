//! `cargo xtask install`: puts programs, extensions, man pages and completions in their places.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use baserock_terminal::completion;
use clap::CommandFactory;

use crate::build::{self, Architecture, Program};
use crate::{packages, root};

/// Install the programs below a directory
///
/// The programs go to DIR/usr/bin, the extensions to DIR/usr/lib/baserock/extensions, man pages and completions to DIR/usr/share, and the unit
/// that systemd runs at shutdown to DIR/usr/lib/systemd/system, where it is enabled. All programs are static, so that they run inside any root
/// filesystem.
#[derive(clap::Args)]
pub struct Install {
    /// The directory: a root filesystem, or / for this machine
    #[arg(long, default_value = "/", value_name = "DIR")]
    destdir: PathBuf,
    /// The architecture of the machine that uses the directory, as `uname -m` prints it
    #[arg(long, value_name = "ARCHITECTURE", default_value = ARCH)]
    architecture: String,
    /// Also install the programs for machines of this architecture, so that versions can be pushed to them and get the programs
    /// (repeatable)
    #[arg(long, value_name = "ARCHITECTURE")]
    agent: Vec<String>,
    /// Build fast, without optimisation, for tests
    #[arg(long)]
    debug: bool,
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
/// The kinds of extensions. The kind follows a dot in the name of the installed file; cargo refuses such names.
const KINDS: [&str; 4] = ["write", "check", "configure", "build"];

impl Install {
    /// Builds and installs.
    pub fn run(&self) -> Result<()> {
        packages::ensure(&[packages::BUILD])?;
        let purpose = if self.debug { build::Purpose::Debug } else { build::Purpose::Use };
        let architecture = Architecture::named(&self.architecture)?;
        let programs = architecture.programs(purpose)?;
        for program in build::names()? {
            copy(&programs.join(&program.name), &self.place_of(&program, architecture), 0o755)?;
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

    /// The place of a program. The name of an extension gets its dot here, because cargo refuses dots in names.
    fn place_of(&self, program: &Program, architecture: &Architecture) -> PathBuf {
        let split =
            program.name.rsplit_once('-').filter(|(_, kind)| program.is_extension && KINDS.contains(kind));
        match split {
            _ if program.name == AGENT => self.place_of_machine(architecture).join(AGENT),
            Some((name, kind)) => self.destdir.join(EXTENSIONS).join(format!("{name}.{kind}")),
            None => self.destdir.join(BIN).join(&program.name),
        }
    }

    /// The folder of programs for other machines. Those of several architectures stand side by side.
    fn place_of_machine(&self, architecture: &Architecture) -> PathBuf {
        self.destdir.join(EXTENSIONS).join("agents").join(architecture.name)
    }

    /// Extensions that are scripts, help files, and programs that are scripts.
    fn scripts(&self) -> Result<()> {
        for file in
            folders("extensions")?.iter().map(|folder| files(folder)).collect::<Result<Vec<_>>>()?.concat()
        {
            let end = file.extension().unwrap_or_default().to_string_lossy().into_owned();
            let name = file.file_name().unwrap_or_default();
            match end.as_str() {
                "help" => copy(&file, &self.destdir.join(EXTENSIONS).join(name), 0o644)?,
                "sh" => copy(&file, &self.destdir.join(BIN).join(name), 0o755)?,
                kind if KINDS.contains(&kind) => {
                    copy(&file, &self.destdir.join(EXTENSIONS).join(name), 0o755)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The units of systemd, which stand beside the programs that they run. They are enabled as the distribution's own are. Scripts for other
    /// init systems are to be copied from their folder.
    fn units(&self) -> Result<()> {
        let units = self.destdir.join(UNITS);
        for file in folders("bins")?.iter().map(|folder| files(folder)).collect::<Result<Vec<_>>>()?.concat()
        {
            if file.extension().is_some_and(|end| end == "service") {
                let name = file.file_name().unwrap_or_default();
                let text =
                    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
                let target = text.lines().find_map(|line| line.strip_prefix("WantedBy="));
                let target = target.with_context(|| format!("{} has no line WantedBy=", file.display()))?;
                let wanted = units.join(format!("{target}.wants"));
                fs::create_dir_all(&wanted).with_context(|| format!("cannot create {}", wanted.display()))?;
                copy(&file, &units.join(name), 0o644)?;
                link(&Path::new("..").join(name), &wanted.join(name))?;
            }
            if file.extension().is_some_and(|end| end == "rc") {
                let name = file.file_stem().unwrap_or_default();
                copy(&file, &self.destdir.join(SCRIPTS).join(name), 0o755)?;
            }
        }
        Ok(())
    }

    fn documents(&self) -> Result<()> {
        let share = self.destdir.join("usr/share");
        let manuals = share.join("man/man1");
        fs::create_dir_all(&manuals).with_context(|| format!("cannot create {}", manuals.display()))?;
        for command in commands() {
            let name = command.get_name().to_owned();
            clap_mangen::generate_to(command, &manuals)?;
            for (shell, folder, file) in COMPLETIONS {
                let script =
                    completion::script(shell, &name).with_context(|| format!("no script for {shell}"))??;
                write(&share.join(folder).join(file.replace("NAME", &name)), &script)?;
            }
        }
        Ok(())
    }
}

/// The arguments of the programs. Man pages and completions are made from them.
fn commands() -> Vec<clap::Command> {
    vec![
        baserock_system_config_sync::Arguments::command().name("baserock-system-config-sync"),
        enter_baserock::Arguments::command().name("enter-baserock"),
        manage_baserock::Arguments::command().name("manage-baserock"),
        morph::Arguments::command().name("morph"),
        system_version_manager::Arguments::command().name("system-version-manager"),
    ]
}

/// Writes a file, and makes its folder.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).with_context(context)?;
    fs::write(path, bytes).with_context(context)
}

fn folders(name: &str) -> Result<Vec<PathBuf>> {
    let mut folders = list(&root::path().join(name))?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = list(folder)?;
    files.retain(|path| path.is_file());
    Ok(files)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
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
    std::os::unix::fs::symlink(target, at).with_context(|| format!("cannot link {}", at.display()))
}
