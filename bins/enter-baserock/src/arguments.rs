//! The command line, parsed into the libraries' types.

use std::ffi::OsString;
use std::path::PathBuf;

use baserock::error::Result;
use baserock::label::Label;
use baserock_chroots::enter::Bind;
use clap::Parser;

/// Enters a chroot: a shell there, or a command, with the rest of the machine out of sight but for /src
#[derive(Parser)]
#[command(
    name = "enter-baserock",
    version,
    after_help = "Example:\n  enter-baserock devel --bind ~/project:/project -- make -C /project\n\n\
                  Exit status: that of the shell or command; 125 if this tool fails, 126 if the command cannot be run, \
                  127 if there is no such command, 128 + n if signal n ends it."
)]
pub struct Arguments {
    /// The chroot [default: the one that manage-baserock set-default chose]
    pub label: Option<Label>,
    /// Whose shell or command: a name of the chroot's /etc/passwd
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Show SRC of the host inside, as DST, or under the same name
    #[arg(long, value_name = "SRC[:DST][:ro]")]
    bind: Vec<OsString>,
    /// Where the chroots are [default: `$BASEROCK_CHROOTS`, else /var/lib/baserock/chroots for root, ~/.local/share/baserock for others]
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// What to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

impl Arguments {
    /// What of the host is shown inside.
    pub fn binds(&self) -> Result<Vec<Bind>> {
        self.bind.iter().map(|text| Bind::parse(text)).collect()
    }
}
