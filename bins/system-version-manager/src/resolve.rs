//! `resolve`: settles a conflict that a merge of /etc has left open.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{IsTerminal, stdin};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result, bail, ensure};
use baserock::ExistingLabel;
use baserock::etc::EtcPath;
use baserock::etc::options::Side;
use baserock::operations::etc::resolve::{Choice, open_again, resolve, sides};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, completion};
use system::dir::{Dir, MOST_TEXT};
use system::error::Error;
use system::process::Program;

use crate::words::running_or_default;

/// Resolve an open conflict in /etc of a version
///
/// Takes one side, or what you have made of the file yourself; PATH.rej and PATH.orig go away. Without --take, the editor opens PATH, your file
/// and that of the new version: MERGE_TOOL gets yours first, else VISUAL or EDITOR gets PATH first. What PATH is when it ends is taken.
/// The version may be running. The merge that is repeated before a version boots takes the same side again.
#[derive(Debug, clap::Args)]
pub struct Resolve {
    /// The path below /etc, as conflicts prints it
    #[arg(value_name = "PATH", add = completion::offering_of_volume(open))]
    path: EtcPath,
    /// The version [default: the running one, else the default]
    #[arg(value_name = "LABEL")]
    label: Option<ExistingLabel>,
    /// Take your file, that of the new version, or PATH as it is now
    #[arg(long, value_enum, value_name = "SIDE", conflicts_with = "undo")]
    take: Option<Taken>,
    /// Open a conflict again that was resolved since the last merge, with all files as they were
    #[arg(long)]
    undo: bool,
}

/// The paths with open conflicts in any version.
fn open(volume: &Volume) -> Result<Vec<String>, Error> {
    let mut paths = BTreeSet::new();
    for version in volume.versions()? {
        paths.extend(volume.open_conflicts(&version.label)?.iter().map(ToString::to_string));
    }
    Ok(paths.into_iter().collect())
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Taken {
    /// The user's file
    User,
    /// The file of the new version
    New,
    /// The file as it is now
    Edited,
}

impl Resolve {
    /// What is to be done; `None` if a resolution is to be taken back. Asks an editor, while others may change the volume.
    pub fn choice(&self, open: impl FnOnce() -> Result<Volume>) -> Result<Option<Choice>> {
        Ok(match self.take {
            _ if self.undo => None,
            Some(Taken::User) => Some(Choice::Side(Side::User)),
            Some(Taken::New) => Some(Choice::Side(Side::New)),
            Some(Taken::Edited) => Some(Choice::Edited),
            None => Some(self.edit(open)?),
        })
    }

    /// Does it.
    pub fn run(&self, volume: &Volume, choice: Option<Choice>) -> Result<()> {
        let label = running_or_default(volume, self.label.as_ref())?;
        let show = Show::new(Output::Errors);
        match choice {
            Some(choice) => resolve(volume, &label, &self.path, &choice, &show)?,
            None => open_again(volume, &label, &self.path, &show)?,
        }
        Ok(())
    }

    fn edit(&self, open: impl FnOnce() -> Result<Volume>) -> Result<Choice> {
        ensure!(
            stdin().is_terminal(),
            "nobody is there to edit {}; use --take user, new or edited",
            self.path
        );
        let editor = Editor::of_user()?;
        let sides = {
            let volume = open()?;
            let label = running_or_default(&volume, self.label.as_ref())?;
            sides(&volume, &label, &self.path)?
        };
        let place = tempfile::tempdir().context("cannot make a temporary folder")?;
        let folder = Dir::open(place.path())?;
        let name = OsStr::from_bytes(self.path.name());
        let with = |end: &str| {
            let mut name = name.to_owned();
            name.push(end);
            name
        };
        let [now, user, new] = [with(""), with(".user"), with(".new")];
        for (name, content) in [(&now, &sides.now), (&user, &sides.user), (&new, &sides.new)] {
            folder.write_new(name, 0o600, content)?;
        }
        let files = if editor.merges { [&user, &now, &new] } else { [&now, &user, &new] };
        let script = format!("{} \"$@\"", editor.command);
        let ended = Program::new("sh")
            .args(["-c", &script, "sh"])
            .args(files.map(|name| place.path().join(name)))
            .on_terminal()?;
        ensure!(ended.success(), "{} ended with {ended}; {} is as it was", editor.command, self.path);
        let after = folder.read(&now, MOST_TEXT)?;
        Ok(Choice::Content { before: sides.now, after })
    }
}

/// The program in which somebody edits files.
struct Editor {
    command: String,
    /// Whether it shows three sides beside each other, with the result in the middle.
    merges: bool,
}

impl Editor {
    fn of_user() -> Result<Self> {
        for (variable, merges) in [("MERGE_TOOL", true), ("VISUAL", false), ("EDITOR", false)] {
            if let Some(command) = std::env::var(variable).ok().filter(|command| !command.trim().is_empty()) {
                return Ok(Editor { command, merges });
            }
        }
        bail!("no editor is set; use --take user, new or edited, or set MERGE_TOOL or EDITOR")
    }
}
