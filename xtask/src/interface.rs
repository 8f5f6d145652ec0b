//! The arguments of the programs. Man pages and completions are made from them.

use clap::{Command, CommandFactory};

/// A program and its arguments.
pub struct Interface {
    /// The arguments; the name is that of the program, and of its folder in `bins/`.
    pub command: Command,
    /// The section of its man page: 1, or 8 for what only root uses.
    pub section: &'static str,
}

/// All programs that have arguments.
pub fn all() -> Vec<Interface> {
    let interface = |name, section, command: Command| Interface { command: command.name(name), section };
    vec![
        interface("baserock-system-config-sync", "8", baserock_system_config_sync::Arguments::command()),
        interface("baserock-publish", "8", baserock_publish::Arguments::command()),
        interface("enter-baserock", "8", enter_baserock::Arguments::command()),
        interface("manage-baserock", "8", manage_baserock::Arguments::command()),
        interface("morph", "1", morph::Arguments::command()),
        interface("system-version-manager", "8", system_version_manager::Arguments::command()),
    ]
}
