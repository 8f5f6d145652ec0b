//! The command line, parsed into the libraries' types.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use baserock::error::{Error, Result};
use baserock::extension::parse_size;
use baserock::label::Label;
use baserock_fetch::{Checksum, Source};
use clap::{Args, Parser, Subcommand};

/// Adds, lists, clones and removes chroots, which enter-baserock enters
#[derive(Parser)]
#[command(
    name = "manage-baserock",
    version,
    after_help = "Example:\n  manage-baserock add devel https://example.org/devel.tar.xz\n  enter-baserock devel"
)]
pub struct Arguments {
    /// Where the chroots are [default: `$BASEROCK_CHROOTS`, else /var/lib/baserock/chroots for root, ~/.local/share/baserock for others]
    #[arg(long, value_name = "DIR", global = true)]
    pub store: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Add(Add),
    /// List the chroots: label, default, who is inside, size, source, date
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Choose the chroot that is entered when none is named
    SetDefault {
        /// An existing chroot
        label: Label,
    },
    /// Remove a chroot that nobody is inside
    Rm {
        /// An existing chroot
        label: Label,
        /// Even if it is the default
        #[arg(long)]
        force: bool,
    },
    /// Make the same chroot once more, to change it freely
    Clone {
        /// An existing chroot
        label: Label,
        /// The label of the clone
        new: Label,
    },
}

/// Add a chroot from a tarball (plain, gz, xz, zst, bz2) or a directory; the first one becomes the default
#[derive(Args)]
pub struct Add {
    /// A name for it: letters, digits, . _ -
    pub label: Label,
    /// A path, or a URL of http, https or file
    source: OsString,
    /// What the archive's SHA-256 sum has to be [default: what SOURCE.sha256 says, if it is there]
    #[arg(long, value_name = "HEX")]
    pub sha256: Option<Checksum>,
    /// The most that it may unpack to, in bytes, or with K, M, G [default: 200 times the archive's size]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// How many seconds a server may keep silent
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub timeout: Duration,
}

impl Add {
    /// Where the tree comes from.
    pub fn source(&self) -> Result<Source> {
        Source::parse(&self.source)
    }
}

fn size(text: &str) -> Result<u64> {
    parse_size(text).ok_or_else(|| {
        Error::refused(format!("{text:?}; use a number of bytes, or one with K, M, G or T: 4G"))
    })
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds = text.parse().ok().filter(|&seconds: &u64| seconds > 0);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| Error::refused(format!("{text:?}; use a number of seconds above 0")))
}
