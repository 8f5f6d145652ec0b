//! Adds a chroot from an archive or a directory.

use std::path::Path;

use baserock::label::Label;
use baserock_archive::{Options, Owners, Stats, unpack};
use baserock_fetch::{Checksum, Hashing, Patience, Source};
use baserock_signatures::Signer;
use nix::fcntl::OFlag;
use system::copy::Copier;
use system::dir::Dir;
use system::error::{Error, Result};
use system::namespace::Privilege;
use system::observer::Observer;
use system::resolve::Links;

use crate::checked::Checked;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::signed::Signed;
use crate::staging::Staging;
use crate::store::Store;

/// The parameters of [`add`].
pub struct Adding<'a> {
    /// The new label.
    pub label: &'a Label,
    /// The source of the tree.
    pub source: &'a Source,
    /// The expected checksum, if the user gives one.
    pub sha256: Option<Checksum>,
    /// The largest size of the unpacked archive in bytes, if the user gives one.
    pub most: Option<u64>,
    /// How many leading components the names in the archive lose; a member with no more than these is left out.
    pub strip: usize,
    /// Whose signature the archive must have, if the user says so.
    pub signed: Option<Signed<'a>>,
    /// How long a server may be silent.
    pub patience: Patience,
}

/// The result of [`add`].
pub struct Added {
    /// Whether it became the default. The first chroot does.
    pub is_default: bool,
    /// What is known of the archive; `None` for a directory.
    pub archive: Option<Archive>,
}

/// What is known of an archive that was added.
pub struct Archive {
    /// Its checksum.
    pub sha256: Checksum,
    /// What it was checked against.
    pub checked: Checked,
    /// Whose signature it has, if one was checked.
    pub signer: Option<Signer>,
}

/// A system needs one of these shells to be entered.
const SHELLS: [&str; 3] = ["bin/sh", "usr/bin/sh", "bin/bash"];

/// Adds a chroot. When this returns, it is complete and on the disk. If this fails, nothing of it is left.
pub fn add(store: &Store, adding: &Adding<'_>, observer: &dyn Observer) -> Result<Added> {
    let staging = Staging::begin(store, adding.label)?;
    let tree = staging.make_tree()?;
    let archive = match adding.source {
        Source::Path(path) if path.is_dir() => {
            copy(store, path, &tree, adding, observer)?;
            None
        }
        source => Some(unpacked(store, source, staging.dir(), &tree, adding, observer)?),
    };
    require_shell(&tree, &adding.source.to_string())?;
    let known = archive.as_ref();
    let mut record = Record::new(shown(adding.source), known.map(|archive| archive.sha256.to_string()));
    record.checked = known.map(|archive| archive.checked);
    record.signed_by = known.and_then(|archive| archive.signer.as_ref()).map(ToString::to_string);
    let is_default = finish(store, staging, adding.label, &record, observer)?;
    Ok(Added { is_default, archive })
}

/// Writes the record, and makes the chroot one of the store. Returns whether it became the default.
pub fn finish(
    store: &Store,
    staging: Staging<'_>,
    label: &Label,
    record: &Record,
    observer: &dyn Observer,
) -> Result<bool> {
    record.write(staging.dir())?;
    observer.phase("writing to the disk");
    let is_default = store.default()?.is_none();
    staging.publish(|| if is_default { store.set_first_default(label) } else { Ok(()) })?;
    Ok(is_default)
}

fn unpacked(
    store: &Store,
    source: &Source,
    staging: &Dir,
    tree: &Dir,
    adding: &Adding<'_>,
    observer: &dyn Observer,
) -> Result<Archive> {
    let (stream, signer) = match &adding.signed {
        None => (source.open(adding.patience)?, None),
        Some(signed) => {
            let (stream, signer) = signed
                .open(source, staging, adding.patience, observer)
                .map_err(|error| no_space(error, store))?;
            (stream, Some(signer))
        }
    };
    let (expected, checked) = expected(source, adding)?;
    observer.phase(format!("unpacking {source}"));
    let name = source.to_string();
    let options = Options {
        source: Path::new(&name),
        size: stream.size,
        owners: if store.privilege() == Privilege::OneId { Owners::Mine } else { Owners::AsArchived },
        devices: store.privilege() == Privilege::Root,
        most: adding.most,
        strip: adding.strip,
        whole: false,
        observer,
    };
    let mut hashing = Hashing::new(stream.reader);
    let stats = unpack(&mut hashing, tree, &options).map_err(|error| no_space(error, store))?;
    let sum = hashing.finish();
    if let Some(expected) = expected {
        sum.verify(expected, &name)?;
    }
    tell(store, &stats, observer);
    Ok(Archive { sha256: sum, checked, signer })
}

/// The sum that the archive has to have, if any is known.
fn expected(source: &Source, adding: &Adding<'_>) -> Result<(Option<Checksum>, Checked)> {
    if adding.signed.is_some() {
        return Ok((adding.sha256, Checked::Signature));
    }
    if adding.sha256.is_some() {
        return Ok((adding.sha256, Checked::GivenSum));
    }
    let beside = source.checksum_beside(adding.patience)?;
    let checked = match beside {
        None => Checked::Nothing,
        Some(_) if source.is_unprotected() => Checked::UnprotectedSum,
        Some(_) => Checked::SumBeside,
    };
    Ok((beside, checked))
}

/// Reports the properties of the archive that could not be kept.
fn tell(store: &Store, stats: &Stats, observer: &dyn Observer) {
    if store.privilege() == Privilege::OneId {
        observer.note("all files belong to you: /etc/subuid and /etc/subgid give you no other ids");
    }
    if stats.devices_left_out > 0 {
        observer
            .note(format!("{} device nodes were left out: only root can make them", stats.devices_left_out));
    }
    for (name, files) in &stats.refused_attributes {
        observer.warn(format!("attribute {name} cannot be set here; {files} files are without it"));
    }
}

fn copy(store: &Store, path: &Path, tree: &Dir, adding: &Adding<'_>, observer: &dyn Observer) -> Result<()> {
    if adding.sha256.is_some() {
        return Err(Error::refused(format!("{} is a directory, which has no SHA-256 sum", path.display())));
    }
    if adding.signed.is_some() {
        return Err(Refusal::SignedFolder { folder: path.to_owned() }.into());
    }
    if adding.strip > 0 {
        return Err(Error::refused(format!(
            "{} is a directory, so no folders can be left out; name the folder in it that is wanted",
            path.display()
        )));
    }
    let from = Dir::open(path)?;
    refuse_store_inside(store, path)?;
    observer.phase(format!("copying {}", path.display()));
    let report = |bytes| observer.progress(bytes, None);
    let mut copier = Copier::new(tree).progress(&report);
    copier.contents(&from, Path::new("")).map_err(|error| no_space(error, store))?;
    copier.left_out().name(observer);
    Ok(())
}

/// Refuses a directory that contains the store: the copy would contain itself without end.
fn refuse_store_inside(store: &Store, path: &Path) -> Result<()> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if canonical(&store.dir().shown("")).starts_with(canonical(path)) {
        return Err(Refusal::StoreInside { store: store.shown(), folder: path.to_owned() }.into());
    }
    Ok(())
}

/// Fails unless the tree has a shell. `source` is what the tree is from.
pub fn require_shell(tree: &Dir, source: &str) -> Result<()> {
    if has_shell(tree) {
        return Ok(());
    }
    let entries = tree.entries()?;
    for entry in entries.iter().filter(|entry| entry.is_dir != Some(false)) {
        if tree.dir_if_exists(&entry.name)?.is_some_and(|inner| has_shell(&inner)) {
            let (from, folder) = (source.to_owned(), entry.name.clone().into());
            return Err(Refusal::InFolder { from, folder }.into());
        }
    }
    let top: Vec<String> =
        entries.iter().take(5).map(|entry| entry.name.to_string_lossy().into_owned()).collect();
    Err(Error::malformed(
        source,
        format!("has no /bin/sh, so it is not a system to enter; at its top are: {}", top.join(", ")),
    ))
}

fn has_shell(tree: &Dir) -> bool {
    SHELLS.iter().any(|shell| tree.open_with(shell, OFlag::O_PATH, 0, Links::InRoot).is_ok())
}

/// The error, with the store in which there is no space.
pub fn no_space(error: Error, store: &Store) -> Error {
    if error.is_no_space() {
        return Error::refused(format!("no space left in {}; nothing was added", store.shown()));
    }
    error
}

/// The source as it is recorded: a path is made absolute.
fn shown(source: &Source) -> String {
    match source {
        Source::Path(path) => {
            std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
        }
        Source::Url(_) | Source::Input => source.to_string(),
    }
}
