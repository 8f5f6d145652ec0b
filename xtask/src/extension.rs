//! The extensions: how they are named when they are installed, and which arguments they take.

use std::path::PathBuf;

use anyhow::Result;

use crate::build::Program;
use crate::root;

/// The kinds of extensions, and the arguments of each. The kind follows a dot in the name of the installed file; cargo refuses such names.
const KINDS: [(&str, &str); 5] = [
    ("write", "TEMP_ROOT LOCATION"),
    ("check", "LOCATION"),
    ("status", "LOCATION"),
    ("configure", "TEMP_ROOT"),
    ("build", "OUTPUT"),
];

/// The arguments of a kind; `None` if there is no such kind.
pub fn arguments(kind: &str) -> Option<&'static str> {
    KINDS.iter().find(|(name, _)| *name == kind).map(|(_, arguments)| *arguments)
}

/// The name under which a program is installed as an extension: `rawdisk.write`. `None` if it is none.
pub fn installed_name(program: &Program) -> Option<String> {
    let (name, kind) = program.name.rsplit_once('-').filter(|_| program.is_extension)?;
    arguments(kind).map(|_| format!("{name}.{kind}"))
}

/// The files in the folders of the extensions, beside the sources: help, scripts and their manuals.
pub fn files() -> Result<Vec<PathBuf>> {
    root::files_below("extensions")
}
