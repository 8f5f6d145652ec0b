//! `manage-baserock add`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use baserock::extension::parse_size;
use baserock::label::{ExistingLabel, Label};
use baserock::volume::{Location, Opening, Purpose, Volume};
use baserock_chroots::{Adding, Archive, Checked, Signed, Store, add, add_version};
use baserock_fetch::{Checksum, Patience, Source};
use baserock_signatures::Keyring;
use baserock_terminal::{Output, Show};
use clap::Args;
use system::error::Error;
use system::lock;
use system::observer::Observer;

/// Add a chroot from a tarball (plain, gz, xz, zst, bz2), a directory, or a version of the system
#[derive(Debug, Args)]
pub struct Add {
    /// A name for it: letters, digits, . _ -
    label: Label,
    /// A path, a URL of http, https or file, or - for the standard input
    #[arg(required_unless_present = "from_version", conflicts_with = "from_version")]
    source: Option<OsString>,
    /// Add a copy of this version of the system instead, as it is now; /var and the other shared directories are as they were built. Without a
    /// value, it is the version that has the label
    #[arg(
        long,
        value_name = "VERSION",
        num_args = 0..=1,
        conflicts_with_all = ["sha256", "verify", "signature", "max_size", "strip_components", "timeout"]
    )]
    from_version: Option<Vec<ExistingLabel>>,
    /// The version's volume: a device, image or mounted volume [default: the running system's]
    #[arg(long, value_name = "PATH", requires = "from_version")]
    volume: Option<PathBuf>,
    /// The expected SHA-256 sum of the archive [default: the sum in SOURCE.sha256, if that exists]
    #[arg(long, value_name = "HEX")]
    sha256: Option<Checksum>,
    /// Add the archive only with a signature by a key in this file, of minisign or ssh
    ///
    /// The file has public keys of minisign or ssh, or the lines of ssh's allowed signers, whose options count: namespaces, and valid-after and
    /// valid-before, in UTC. The signature is SOURCE.minisig or SOURCE.sig, made by `minisign -S` or by `ssh-keygen -Y sign -n file`. Keys of
    /// ssh may be of the kinds ed25519, ecdsa with 256 or 384 bits, RSA with 2048 bits or more, and those of security keys; certificates do not
    /// count. The archive is kept in the store while it is read, and unpacked after the signature was verified.
    #[arg(long, value_name = "KEYRING")]
    verify: Option<PathBuf>,
    /// The signature, a path or a URL [default: SOURCE.minisig or SOURCE.sig]
    #[arg(long, value_name = "FILE", requires = "verify")]
    signature: Option<OsString>,
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
        let show = Show::new(Output::Errors);
        if let Some(version) = &self.from_version {
            let location = self.volume.clone().map_or(Location::Running, Location::Path);
            let opening = Opening { location, purpose: Purpose::Look, patience: lock::Patience::Refuse };
            let version = version.first().unwrap_or(&self.label);
            return self.say(add_version(store, &self.label, &Volume::open(&opening)?, version, &show)?);
        }
        let Some(source) = &self.source else { return Ok(()) };
        let signature = self.signature.as_deref().map(Source::parse).transpose()?;
        let keyring = self.verify.as_deref().map(keyring).transpose()?;
        let signed = keyring.as_ref().map(|keyring| Signed { keyring, signature: signature.as_ref() });
        let adding = Adding {
            label: &self.label,
            source: &Source::parse(source)?,
            sha256: self.sha256,
            most: self.max_size,
            strip: self.strip_components,
            signed,
            patience: Patience(self.timeout),
        };
        let added = add(store, &adding, &show)?;
        (&show as &dyn Observer).note(words(added.archive.as_ref()));
        self.say(added.is_default)
    }

    fn say(&self, is_default: bool) -> Result<()> {
        let default = if is_default { ", the default" } else { "" };
        baserock_terminal::print(&format!("added {}{default}\n", self.label))
    }
}

/// The keys in the file.
fn keyring(path: &Path) -> Result<Keyring> {
    let shown = path.display().to_string();
    let bytes = Source::Path(path.to_owned()).small(Patience::default())?;
    let bytes = bytes.ok_or_else(|| Error::refused(format!("there is no keyring {shown}")))?;
    Ok(Keyring::parse(&bytes, &shown)?)
}

/// Says what the source was checked against.
fn words(archive: Option<&Archive>) -> String {
    let Some(Archive { sha256, checked, signer }) = archive else {
        return "not checked: a directory has neither a sum nor a signature".to_owned();
    };
    match (checked, signer) {
        (_, Some(signer)) => format!("the archive is signed by the {signer}; its SHA-256 sum is {sha256}"),
        (Checked::GivenSum, _) => "the archive has the SHA-256 sum that was given".to_owned(),
        (Checked::SumBeside, _) => "the archive has the SHA-256 sum in SOURCE.sha256".to_owned(),
        (Checked::UnprotectedSum, _) => "the archive has the SHA-256 sum in SOURCE.sha256; that proves nothing about who made it, because \
                                         both came from the same server by http"
            .to_owned(),
        _ => format!(
            "not checked: there was no checksum to compare with, and no key was given; the SHA-256 sum is {sha256}"
        ),
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
