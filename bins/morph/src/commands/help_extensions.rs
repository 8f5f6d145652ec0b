use std::io::{self, Write};

use anyhow::{Result, bail};
use baserock::extension::Environment;
use baserock_terminal::help;
use clap::Args;

use crate::extensions::ListedExtension;
use crate::nearest;
use crate::repository::Repository;
use crate::settings::Places;

/// List the extensions of the definitions repository and the installed ones, or show the help of some
#[derive(Debug, Args)]
pub struct HelpExtensions {
    /// Extensions: `rawdisk`, `extensions/rawdisk` or `rawdisk.write`
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl HelpExtensions {
    /// Writes the list, or the help.
    pub fn run(self, places: &Places, environment: &Environment) -> Result<()> {
        let repository = Repository::current()?;
        let all = places.extensions(&repository, environment)?.list()?;
        let mut output = io::stdout().lock();
        if self.names.is_empty() {
            for extension in &all {
                writeln!(
                    output,
                    "{:<9} {:<32} {}",
                    extension.kind,
                    extension.name,
                    extension.path.display()
                )?;
            }
        }
        for name in &self.names {
            show(name, &all, &mut output)?;
        }
        Ok(())
    }
}

fn show(name: &str, all: &[ListedExtension], output: &mut dyn Write) -> Result<()> {
    let named: Vec<&ListedExtension> = all.iter().filter(|extension| is_named(extension, name)).collect();
    if named.is_empty() {
        let names = all.iter().map(|extension| short(&extension.name));
        bail!(
            "there is no extension {name}{}; morph help-extensions lists them",
            nearest::suggestion(name, names)
        );
    }
    let mut helped = false;
    for extension in named {
        if let Some(text) = help::of(&extension.path)? {
            writeln!(output, "{}.{}\n\n{text}\n", extension.name, extension.kind)?;
            helped = true;
        }
    }
    if !helped {
        bail!("{name} brings no help; add {name}.write.help or the like beside it");
    }
    Ok(())
}

fn is_named(extension: &ListedExtension, name: &str) -> bool {
    let without_kind = name.strip_suffix(extension.kind.ending()).and_then(|name| name.strip_suffix('.'));
    let names = [extension.name.as_str(), short(&extension.name)];
    names.contains(&name) || without_kind.is_some_and(|name| names.contains(&name))
}

fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
