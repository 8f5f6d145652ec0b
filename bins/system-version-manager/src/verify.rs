//! `verify`: checks that versions have not changed since they were made.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use baserock::Label;
use baserock::layout::{self, DTB, INITRAMFS, KERNEL, ORIG};
use baserock::operations::manifest;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};
use delta::Manifest;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::scan::{ReadAll, scan};
use delta::verify::verify;
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::OrCannot;
use system::observer::Observer;
use system::signal;

/// Check that versions have not changed since they were made
///
/// Every byte of orig is read and compared with the manifest beside it, which was made when the tree was written. Kernel, initramfs and
/// device tree are compared with it too, and the version must have all that it needs to boot. A line is printed for every path that
/// differs, with the differences; the exit code is then 1. A file that the disk cannot read is a difference too.
///
/// Without LABEL all versions are checked, because the version for a rollback matters as much as the running one.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The version; without it, all
    #[arg(value_name = "LABEL")]
    label: Option<String>,
    /// Make the manifest of a version that has none, from its orig as it is now
    #[arg(long, requires = "label")]
    pub record: bool,
}

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

impl Verify {
    /// Checks the versions.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let show = Show::new(Output::Errors);
        let labels = match self.label()? {
            Some(label) => {
                volume.version_dir(&label).map_err(|_| missing(volume, &label))?;
                vec![label]
            }
            None => volume.versions()?.into_iter().map(|version| version.label).collect(),
        };
        let mut damaged = Vec::new();
        for label in &labels {
            let findings = Version::new(volume, label, &show)?.findings()?;
            for line in &findings {
                print(&format!("{line}\n"))?;
            }
            if !findings.is_empty() {
                damaged.push(label.as_str());
            }
        }
        if damaged.is_empty() {
            return Ok(());
        }
        bail!(
            "{} of {} versions differ from what they were: {}",
            damaged.len(),
            labels.len(),
            damaged.join(", ")
        )
    }

    /// Makes the manifest. An existing manifest is never replaced: that would hide later changes of the tree.
    pub fn record(&self, volume: &Volume) -> Result<()> {
        let Some(label) = self.label()? else { return Ok(()) };
        volume.require(&label)?;
        let (version, orig) = open(volume, &label)?;
        if manifest::examine(&version, &orig)?.is_some() {
            bail!("version {label} has a manifest, which is never made anew; use verify {label}");
        }
        if btrfs::access(&orig)? == Access::Writable {
            bail!(
                "orig of version {label} is writable; what is written to after its manifest is made cannot be verified"
            );
        }
        let show = Show::new(Output::Errors);
        let observer: &dyn Observer = &show;
        observer.phase(format!("reading {}", orig.shown("").display()));
        let manifest = scan(&orig, &mut ReadAll, &|bytes| {
            observer.progress(bytes, None);
            Ok(())
        })?;
        manifest::store(&version, &orig, &manifest)?;
        print(&format!("{label}: {} recorded\n", size(&manifest)))
    }

    fn label(&self) -> Result<Option<Label>> {
        let parse = |label: &String| {
            Label::existing(label.as_ref()).ok_or_else(|| anyhow!("invalid label {label:?}"))
        };
        self.label.as_ref().map(parse).transpose()
    }
}

fn missing(volume: &Volume, label: &Label) -> anyhow::Error {
    volume
        .require(label)
        .err()
        .map_or_else(|| anyhow!("version {label} cannot be opened"), anyhow::Error::from)
}

fn open(volume: &Volume, label: &Label) -> Result<(Dir, Dir)> {
    let version = volume.version_dir(label)?;
    let orig = version.dir(ORIG)?;
    Ok((version, orig))
}

fn size(manifest: &Manifest) -> String {
    format!("{} names, {} MiB", manifest.entries().len(), manifest.bytes() >> 20)
}

/// A version that is checked.
struct Version<'a> {
    volume: &'a Volume,
    label: &'a Label,
    observer: &'a dyn Observer,
    findings: Vec<String>,
}

impl<'a> Version<'a> {
    fn new(volume: &'a Volume, label: &'a Label, show: &'a Show) -> Result<Self> {
        let faults = volume.faults(label)?;
        let findings = faults.into_iter().map(|fault| format!("{label}: {fault}")).collect();
        Ok(Version { volume, label, observer: show, findings })
    }

    /// All differences, one line each. If there are none, a line says so.
    fn findings(mut self) -> Result<Vec<String>> {
        let label = self.label;
        let version = self.volume.version_dir(label)?;
        let Some(orig) = version.dir_if_exists(ORIG)? else { return Ok(self.findings) };
        let beside = match manifest::examine(&version, &orig) {
            Ok(Some(beside)) => beside,
            Ok(None) => {
                self.add(&format!(
                    "it has no manifest; verify --record {label} makes one of what is there now"
                ));
                return Ok(self.findings);
            }
            Err(error @ system::Error::Interrupted(_)) => return Err(error.into()),
            Err(error) => {
                self.add(&error.to_string());
                return Ok(self.findings);
            }
        };
        if !beside.is_current {
            self.add(&format!(
                "{} was written to, or replaced, after its manifest was made",
                orig.shown("").display()
            ));
        }
        self.tree(&orig, &beside.manifest)?;
        self.boot_files(&beside.manifest)?;
        if self.findings.is_empty() {
            print(&format!("{label}: whole ({})\n", size(&beside.manifest)))?;
        }
        Ok(self.findings)
    }

    fn add(&mut self, what: &str) {
        self.findings.push(format!("{}: {what}", self.label));
    }

    fn tree(&mut self, orig: &Dir, manifest: &Manifest) -> Result<()> {
        self.observer.phase(format!("reading {}", orig.shown("").display()));
        let total = manifest.bytes();
        let report = |bytes| {
            self.observer.progress(bytes, Some(total));
            Ok(())
        };
        for difference in verify(orig, manifest, &report)? {
            let path = orig.shown(difference.path()).display().to_string();
            // A name with a newline is shown in one line.
            self.findings.push(format!("{}: {difference}", path.escape_debug()));
        }
        Ok(())
    }

    /// Checks the files that boot loaders read. They are copies of those files of `orig` that the deployment named.
    fn boot_files(&mut self, manifest: &Manifest) -> Result<()> {
        for name in [KERNEL, INITRAMFS, DTB] {
            if !self.volume.boot().has(self.label, name)? {
                continue;
            }
            let shown = self.volume.boot().dir().shown(layout::in_version(self.label, name));
            match self.hash(name, &shown) {
                Ok(hash) if has(manifest, hash) => {}
                Ok(_) => {
                    self.findings.push(format!("{}: content, no file of {ORIG} has it", shown.display()));
                }
                Err(error) if error.os_error().is_some() => {
                    self.findings.push(format!("{}: cannot be read ({})", shown.display(), error.reason()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn hash(&self, name: &str, shown: &Path) -> system::Result<Hash> {
        let file = self.volume.boot().file(self.label, name)?;
        let size = file.metadata().or_cannot("examine", shown)?.len();
        Hash::of_file(&file, size, shown, &mut vec![0; BUFFER], &signal::check)
    }
}

fn has(manifest: &Manifest, wanted: Hash) -> bool {
    manifest.entries().iter().any(|entry| matches!(entry.kind, Kind::File { hash, .. } if hash == wanted))
}
