//! `verify`: checks that versions have not changed since they were made.

use anyhow::{Result, bail};
use baserock::ExistingLabel;
use baserock::operations::verify::{Finding, Size, record, verify};
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};

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
    label: Option<ExistingLabel>,
    /// Make the manifest of a version that has none, from its orig as it is now
    #[arg(long, requires = "label")]
    pub record: bool,
}

impl Verify {
    /// Checks the versions.
    pub fn run(&self, volume: &Volume) -> Result<()> {
        let show = Show::new(Output::Errors);
        let labels = match &self.label {
            Some(label) => vec![label.clone()],
            None => volume.versions()?.into_iter().map(|version| version.label).collect(),
        };
        let mut damaged = Vec::new();
        for label in &labels {
            let verified = verify(volume, label, &show)?;
            for finding in &verified.findings {
                print(&format!("{}\n", line(label, finding)))?;
            }
            if verified.findings.is_empty() {
                print(&format!("{label}: whole ({})\n", size(verified.size)))?;
            } else {
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

    /// Makes the manifest.
    pub fn record(&self, volume: &Volume) -> Result<()> {
        let Some(label) = &self.label else { return Ok(()) };
        let recorded = record(volume, label, &Show::new(Output::Errors))?;
        print(&format!("{label}: {} recorded\n", size(recorded)))
    }
}

fn line(label: &ExistingLabel, finding: &Finding) -> String {
    match finding {
        Finding::NoManifest => {
            format!("{label}: it has no manifest; verify --record {label} makes one of what is there now")
        }
        Finding::Version(fault) => format!("{label}: {fault}"),
        Finding::Path { path, change } => format!("{path}: {change}"),
    }
}

fn size(size: Size) -> String {
    format!("{} names, {} MiB", size.names, size.bytes >> 20)
}
