//! The parameters of rawdisk, from the environment.

use std::path::PathBuf;

use baserock::extension::Environment;
use baserock::label::Label;
use baserock::operations::trust::signing_key;
use baserock::operations::upgrade::OnConflicts;
use system::error::{Error, Result};

use crate::loader::Loader;

/// The parameters of rawdisk, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The version to add to the disk; `None` makes a new disk.
    pub upgrade: Option<Label>,
    /// Size of a new image, bytes.
    pub disk_size: Option<u64>,
    /// The boot loaders that are installed; `None` leaves the choice to the tree.
    pub loader: Option<Loader>,
    /// Whether the disk has partitions.
    pub partitioning: bool,
    /// The path of the partition file.
    pub partition_file: Option<PathBuf>,
    /// Whether a device that holds something may be overwritten.
    pub force: bool,
    /// Whether an upgrade merges the default's `/etc` into the new version's.
    pub merge_etc: bool,
    /// Whether a new disk keeps the machine id and the ssh host keys of the tree.
    pub keep_identity: bool,
    /// The time of everything that is made here, seconds since 1970. It lets the same input make the same disk.
    pub epoch: Option<u64>,
    /// The key that signs the version.
    pub key: Option<String>,
}

impl Options {
    /// Parses the parameters. An error names the variable.
    pub fn new(environment: &Environment) -> Result<Self> {
        let partition_file =
            environment.raw("PARTITION_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
        let partitioning = environment.boolean("USE_PARTITIONING", false)?;
        if partition_file.is_some() && !partitioning {
            return Err(Error::refused(
                "PARTITION_FILE is set and USE_PARTITIONING is not; set USE_PARTITIONING=yes",
            ));
        }
        // A check refuses what the upgrade would refuse.
        OnConflicts::from_environment(environment)?;
        Ok(Options {
            upgrade: upgrade(environment)?,
            disk_size: environment.size("DISK_SIZE")?,
            loader: environment.text("BOOTLOADER_INSTALL")?.map(Loader::parse).transpose()?,
            partitioning,
            partition_file,
            force: environment.boolean("FORCE", false)?,
            merge_etc: environment.boolean("MERGE_ETC", false)?,
            keep_identity: environment.boolean("KEEP_IDENTITY", false)?,
            epoch: epoch(environment)?,
            key: signing_key(environment)?,
        })
    }

    /// The size of a new image, which must have been given.
    pub fn required_size(&self) -> Result<u64> {
        self.disk_size
            .ok_or_else(|| Error::refused("DISK_SIZE is not set; a new image needs it: DISK_SIZE=4G"))
    }
}

fn upgrade(environment: &Environment) -> Result<Option<Label>> {
    if !environment.boolean("UPGRADE", false)? {
        return Ok(None);
    }
    let label = environment.label("VERSION_LABEL")?;
    label.map(Some).ok_or_else(|| {
        Error::refused(
            "VERSION_LABEL is not set; an upgrade needs a label for the new version: VERSION_LABEL=devel",
        )
    })
}

fn epoch(environment: &Environment) -> Result<Option<u64>> {
    let Some(text) = environment.text("SOURCE_DATE_EPOCH")? else { return Ok(None) };
    let bad = || Error::refused(format!("SOURCE_DATE_EPOCH is {text:?}; use seconds since 1970"));
    text.parse().map(Some).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Result<Options> {
        Options::new(&pairs.iter().copied().collect())
    }

    #[test]
    fn the_defaults_make_an_unpartitioned_image() {
        let default = options(&[]).unwrap();
        assert!(default.loader.is_none() && !default.partitioning && !default.force && !default.merge_etc);
        assert_eq!((default.upgrade.clone(), default.epoch), (None, None));
        assert!(default.required_size().unwrap_err().to_string().contains("DISK_SIZE"));
        assert_eq!(options(&[("DISK_SIZE", "2g")]).unwrap().required_size().unwrap(), 2 << 30);
        let upgrade = options(&[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")]).unwrap();
        assert_eq!(upgrade.upgrade.unwrap().as_str(), "devel");
        assert_eq!(options(&[("UPGRADE", "no"), ("VERSION_LABEL", "devel")]).unwrap().upgrade, None);
    }

    #[test]
    fn errors_name_the_variable() {
        for (name, value) in [
            ("DISK_SIZE", "2X"),
            ("BOOTLOADER_INSTALL", "grub"),
            ("UPGRADE", "perhaps"),
            ("USE_PARTITIONING", "2"),
            ("PARTITION_FILE", "disk.yaml"),
            ("FORCE", "very"),
            ("MERGE_ETC", "a bit"),
            ("CONFLICTS", "some"),
            ("KEEP_IDENTITY", "mostly"),
            ("SOURCE_DATE_EPOCH", "yesterday"),
        ] {
            assert!(options(&[(name, value)]).unwrap_err().to_string().starts_with(name), "{name}");
        }
        let error = options(&[("UPGRADE", "yes")]).unwrap_err().to_string();
        assert!(error.starts_with("VERSION_LABEL is not set"), "{error}");
    }
}
