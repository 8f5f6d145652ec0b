//! What an extension tells of itself. Its help is the file `NAME.write.help` beside it, YAML with the key `help`, and `recorded` if parameters of the extension are to be recorded.

use std::path::{Path, PathBuf};

use baserock::yaml;
use serde::Deserialize;
use system::error::if_exists;
use system::{Error, Result, file};

#[derive(Deserialize)]
struct Help {
    help: String,
    /// The parameters that are recorded in the system.
    #[serde(default)]
    recorded: Vec<String>,
}

/// The answer if an extension was asked for its help or its version, instead of being given its arguments.
pub(crate) fn answer(arguments: &[PathBuf], usage: &str) -> Result<Option<String>> {
    let [only] = arguments else { return Ok(None) };
    match only.to_str() {
        Some("--version" | "-V") => Ok(Some(format!("{} {}\n", crate::program(), env!("CARGO_PKG_VERSION")))),
        Some("--help" | "-h") => {
            let help = of_this_program()?.map(|text| format!("\n{text}\n")).unwrap_or_default();
            Ok(Some(format!("{usage}\n{help}")))
        }
        _ => Ok(None),
    }
}

/// The help beside the name by which this program was started, else beside the file to which a link of that name leads.
fn of_this_program() -> Result<Option<String>> {
    let named = std::env::args_os().next().map(PathBuf::from).filter(|named| named.components().count() > 1);
    for own in named.into_iter().chain(std::env::current_exe()) {
        // What looks at a location has the parameters of what writes to it.
        let looks = own.extension().is_some_and(|kind| kind == "check" || kind == "status");
        let writes = looks.then(|| own.with_extension("write"));
        for extension in [own].into_iter().chain(writes) {
            if let Some(help) = of(&extension)? {
                return Ok(Some(help));
            }
        }
    }
    Ok(None)
}

/// The help of the extension in this file; `None` if it has none.
pub fn of(extension: &Path) -> Result<Option<String>> {
    Ok(read(extension)?.map(|help| help.help.trim_end().to_owned()))
}

/// The parameters of the extension that are recorded in the system.
pub fn recorded(extension: &Path) -> Result<Vec<String>> {
    Ok(read(extension)?.map(|help| help.recorded).unwrap_or_default())
}

fn read(extension: &Path) -> Result<Option<Help>> {
    let mut path = extension.as_os_str().to_owned();
    path.push(".help");
    let path = PathBuf::from(path);
    let Some(text) = if_exists(file::read_text(&path, yaml::MOST))? else { return Ok(None) };
    yaml::check(&text).map_err(|why| Error::malformed(&path, why))?;
    serde_yaml::from_str(&text)
        .map(Some)
        .map_err(|error| Error::malformed(&path, format!("not YAML with a key `help`: {error}")))
}
