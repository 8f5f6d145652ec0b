//! `manage-baserock add`.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;
use baserock::extension::parse_size;
use baserock::label::Label;
use baserock_chroots::{Adding, Checked, Store, add};
use baserock_fetch::{Checksum, Patience, Source};
use baserock_terminal::{Output, Show};
use clap::Args;
use system::error::Error;
use system::observer::Observer;

/// Add a chroot from a tarball (plain, gz, xz, zst, bz2) or a directory
#[derive(Debug, Args)]
pub struct Add {
    /// A name for it: letters, digits, . _ -
    label: Label,
    /// A path, a URL of http, https or file, or - for the standard input
    source: OsString,
    /// The expected SHA-256 sum of the archive [default: the sum in SOURCE.sha256, if that exists]
    #[arg(long, value_name = "HEX")]
    sha256: Option<Checksum>,
    /// The largest size that it may unpack to, in bytes, or with K, M, G [default: 200 times the archive's size]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// How many leading folders the names in the archive lose, as for tar: 1 for a system that is in one folder of its archive
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    strip_components: usize,
    /// How many seconds a server may be silent
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    timeout: Duration,
}

impl Add {
    /// Adds it.
    pub fn run(&self, store: &Store) -> Result<()> {
        let adding = Adding {
            label: &self.label,
            source: &Source::parse(&self.source)?,
            sha256: self.sha256,
            most: self.max_size,
            strip: self.strip_components,
            patience: Patience(self.timeout),
        };
        let show = Show::new(Output::Errors);
        let added = add(store, &adding, &show)?;
        if let Some((sum, checked)) = added.sha256 {
            (&show as &dyn Observer).note(words(checked, sum));
        }
        let default = if added.is_default { ", the default" } else { "" };
        baserock_terminal::print(&format!("added {}{default}\n", self.label))
    }
}

/// Says what the archive was checked against.
fn words(checked: Checked, sum: Checksum) -> String {
    match checked {
        Checked::Nothing => format!("there was no checksum to compare with; the SHA-256 sum is {sum}"),
        Checked::GivenSum => "the archive has the SHA-256 sum that was given".to_owned(),
        Checked::SumBeside => "the archive has the SHA-256 sum in SOURCE.sha256".to_owned(),
        Checked::UnprotectedSum => "the archive has the SHA-256 sum in SOURCE.sha256; that proves nothing about who made it, because both \
                                    came from the same server by http"
            .to_owned(),
    }
}

fn size(text: &str) -> Result<u64, Error> {
    parse_size(text).ok_or_else(|| {
        Error::refused(format!("{text:?}; use a number of bytes, or one with K, M, G or T: 4G"))
    })
}

fn seconds(text: &str) -> Result<Duration, Error> {
    let seconds = text.parse().ok().filter(|&seconds: &u64| seconds > 0);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| Error::refused(format!("{text:?}; use a number of seconds above 0")))
}
