//! `verify`: checks that versions have not changed since they were made.

use anyhow::{Result, bail};
use baserock::ExistingLabel;
use baserock::operations::trust::Vouched;
use baserock::operations::verify::{Finding, Size, record, verify};
use baserock::origin::Origin;
use baserock::volume::Volume;
use baserock_terminal::{Output, Show, print};

use crate::fetch::named_keys;

/// Check that versions have not changed since they were made
///
/// Every byte of orig is read and compared with the manifest beside it, which was made when the tree was written. Kernel, initramfs and
/// device tree are compared with it too, and the version must have all that it needs to boot. A line is printed for every path that
/// differs, with the differences; the exit code is then 1. A file that the disk cannot read is a difference too. A version without a
/// manifest cannot be compared; this is said, and the exit code is 1 too.
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
        let keys = named_keys();
        let labels = match &self.label {
            Some(label) => vec![label.clone()],
            None => volume.versions()?.into_iter().map(|version| version.label).collect(),
        };
        let (mut damaged, mut unrecorded) = (Vec::new(), Vec::new());
        for label in &labels {
            let verified = verify(volume, label, keys.as_deref(), &show)?;
            for finding in &verified.findings {
                print(&format!("{}\n", line(label, finding)))?;
            }
            match verified.findings.as_slice() {
                [] => {
                    let (size, origin) = (size(verified.size), volume.origin(label)?);
                    let source = source(origin.as_ref(), verified.vouched.as_ref());
                    print(&format!("{label}: whole ({size}){source}\n"))?;
                }
                [Finding::NoManifest] => unrecorded.push(label.as_str()),
                _ => damaged.push(label.as_str()),
            }
        }
        let count = |versions: &[&str], fault: &str| {
            let (some, all) = (versions.len(), labels.len());
            (some > 0).then(|| format!("{some} of {all} versions {fault}: {}", versions.join(", ")))
        };
        let faults = [
            count(&damaged, "differ from what they were"),
            count(&unrecorded, "have no manifest to compare them with"),
        ];
        let faults: Vec<String> = faults.into_iter().flatten().collect();
        if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("; ")) }
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

/// Where it comes from and who vouches for it, in words.
fn source(origin: Option<&Origin>, vouched: Option<&Vouched>) -> String {
    let from = origin.map(|origin| format!(", fetched from {}", origin.source)).unwrap_or_default();
    let vouched = match vouched {
        Some(Vouched::ByNobody) if origin.is_some() => ", signed by nobody".to_owned(),
        Some(Vouched::By(signers)) => {
            let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
            format!(", signed by {}", signers.join(" and "))
        }
        Some(Vouched::Unknown(reason)) => format!(", signed, which does not count here: {reason}"),
        Some(Vouched::ByNobody | Vouched::ForAnother) | None => String::new(),
    };
    from + &vouched
}

fn size(size: Size) -> String {
    format!("{} names, {} MiB", size.names, size.bytes >> 20)
}
