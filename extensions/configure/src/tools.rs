//! `baserock-tools`: puts the programs that a machine needs for its versions into the tree, and lets its init system run them.

use std::path::{Path, PathBuf};

use baserock::extension::Environment;
use baserock::rootfs::architecture::architecture;
use baserock::rootfs::init::has_systemd;
use system::dir::{Dir, MOST_TEXT};
use system::error::{OrCannot, if_exists};
use system::observer::Observer;
use system::resolve::Links;
use system::{Error, Result, file};

use crate::inittab::{self, Init};
use crate::tree::{self, Access, Tree};
use crate::units;

/// The programs, and their folder in the tree.
const PROGRAMS: [&str; 2] = ["system-version-manager", "baserock-system-config-sync"];
const BIN: &str = "usr/bin";

/// The units.
const UNITS: [(&str, &str); 5] = [
    ("baserock-trial.service", include_str!("../../../bins/system-version-manager/baserock-trial.service")),
    (
        "baserock-confirm.service",
        include_str!("../../../bins/system-version-manager/baserock-confirm.service"),
    ),
    ("baserock-finish.service", include_str!("../../../bins/system-version-manager/baserock-finish.service")),
    (
        "baserock-upgrade.service",
        include_str!("../../../bins/system-version-manager/baserock-upgrade.service"),
    ),
    ("baserock-upgrade.timer", include_str!("../../../bins/system-version-manager/baserock-upgrade.timer")),
];

/// The script for other init systems, and its folder.
const SCRIPT: (&str, &str) =
    ("baserock-trial", include_str!("../../../bins/system-version-manager/baserock-trial.rc"));
const SCRIPTS: &str = "etc/init.d";

/// Installs the programs, and the units or the script. `BASEROCK_TOOLS=no` leaves the tree alone.
pub fn configure(root: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    if !environment.boolean("BASEROCK_TOOLS", true)? {
        return Ok(());
    }
    let top = Dir::open(root)?;
    let architecture = architecture(&top)?.ok_or_else(|| {
        Error::refused(
            "the tree has no program by which its architecture could be known, such as /bin/sh; \
             run this extension on a complete tree, or set BASEROCK_TOOLS=no",
        )
    })?;
    // All are found before anything is changed.
    let places = Places::new(environment)?;
    let programs = PROGRAMS.map(|name| places.find(architecture, name).map(|path| (name, path)));
    let programs: Vec<(&str, PathBuf)> = programs.into_iter().collect::<Result<_>>()?;
    let tree = Tree::open(root)?;
    let bin = tree.ensure_folder(Path::new(BIN), 0o755)?;
    for (name, path) in programs {
        if bin.has(name)? {
            observer.note(format!("/{BIN}/{name} of the tree is replaced"));
        }
        tree::write(&bin, name, file::open(&path)?, Access::root(0o755))?;
        observer.phase(format!("installed /{BIN}/{name} for {architecture}"));
    }
    if has_systemd(&top)? { install_units(&tree, observer) } else { install_script(&tree, &top, observer) }
}

/// Where programs for machines are.
struct Places {
    /// The folder of this program.
    beside: PathBuf,
    /// The folder with one for each architecture.
    machines: PathBuf,
}

impl Places {
    fn new(environment: &Environment) -> Result<Self> {
        let own = std::env::current_exe().or_cannot("find", "this program")?;
        let beside = own.parent().map(PathBuf::from).unwrap_or_default();
        let given = environment.raw("BASEROCK_AGENTS").filter(|folder| !folder.is_empty());
        let machines = given.map_or_else(|| beside.join("agents"), PathBuf::from);
        Ok(Places { beside, machines })
    }

    /// The program for machines of this architecture. For this machine's own, the installed one will do.
    fn find(&self, architecture: &str, name: &str) -> Result<PathBuf> {
        let mut places = vec![self.machines.join(architecture).join(name)];
        if architecture == std::env::consts::ARCH {
            places.extend([self.beside.join(name), self.beside.join("../../../bin").join(name)]);
        }
        let first = places[0].clone();
        places.into_iter().find(|place| place.exists()).ok_or_else(|| {
            Error::refused(format!(
                "the tree is for {architecture}, and there is no {}; install this project's programs for that \
                 architecture, or set BASEROCK_TOOLS=no",
                first.display()
            ))
        })
    }
}

/// Installs the units where the tree's own are, and enables them.
fn install_units(tree: &Tree, observer: &dyn Observer) -> Result<()> {
    let folder = tree.ensure_folder(Path::new(units::FOLDERS[0]), 0o755)?;
    for (name, text) in UNITS {
        tree::write(&folder, name, text.as_bytes(), Access::root(0o644))?;
        units::enable(tree, name, observer)?;
    }
    Ok(())
}

/// Installs the script, and has init run it where the tree has a table that says what init runs.
fn install_script(tree: &Tree, top: &Dir, observer: &dyn Observer) -> Result<()> {
    let (name, text) = SCRIPT;
    let folder = tree.ensure_folder(Path::new(SCRIPTS), 0o755)?;
    tree::write(&folder, name, text.as_bytes(), Access::root(0o755))?;
    let etc = tree.folder(Path::new("etc"))?;
    let script = format!("/{SCRIPTS}/{name}");
    let Some(table) = if_exists(etc.read_with("inittab", Links::InRoot, MOST_TEXT))? else {
        observer.warn(format!(
            "the tree has neither systemd nor /etc/inittab: have its init system run {script} start early, \
             {script} confirm when all has started, and {script} stop when the machine goes down"
        ));
        return Ok(());
    };
    let init = if is_busybox(top)? { Init::Busybox } else { Init::System5 };
    if let Some(table) = inittab::with_script(&table, init, &script) {
        let access = Access::root(0o644);
        tree::write(&etc, "inittab", table.as_slice(), access)?;
    }
    observer.phase(format!("/etc/inittab runs {script}"));
    Ok(())
}

/// Whether busybox is init.
fn is_busybox(top: &Dir) -> Result<bool> {
    let sbin = if_exists(top.dir_with("sbin", Links::InRoot))?;
    let target = sbin.map(|sbin| sbin.read_link("init")).and_then(Result::ok);
    Ok(target.is_some_and(|target| target.file_name().is_some_and(|name| name == "busybox")))
}
