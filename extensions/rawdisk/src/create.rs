//! A new disk: formatted, filled, deployed as `factory`, made bootable.

use std::path::Path;

use baserock::btrfs;
use baserock::copy::Copier;
use baserock::dir::Dir;
use baserock::error::{Error, Result};
use baserock::extension::Environment;
use baserock::label::Label;
use baserock::layout::{self, ORIG};
use baserock::lock::Patience;
use baserock::observer::Observer;
use baserock::operations::{self, Deploy, boot_loader};
use baserock::process::Program;
use baserock::volume::{Location, Opening, Purpose, Volume};

use crate::image::NewImage;
use crate::options::Options;
use crate::tree::{self, Measure};

/// Makes a new image at `location` with `tree` as version `factory`.
pub fn create(
    tree: &Path,
    location: &Path,
    options: &Options,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<()> {
    let tree = tree::open(tree)?;
    let size = options.required_size()?;
    let measure = tree::measure(&tree)?;
    refuse_too_small(size, &measure)?;
    if options.install_extlinux {
        boot_loader::check()?;
    }
    let image = NewImage::new(location, size)?;
    observer.phase(format!("formatting {}", location.display()));
    format(&image.path())?;
    let opening = Opening {
        location: Location::Path(image.path()),
        purpose: Purpose::Make,
        patience: Patience::Refuse,
    };
    let volume = Volume::open(&opening)?;
    fill(&volume, &Label::factory(), &tree, &measure, observer)?;
    let deploy = Deploy { label: Label::factory(), environment: environment.clone(), etc: None };
    operations::deploy(&volume, &deploy, observer)?;
    if options.install_extlinux {
        observer.phase("installing extlinux");
        boot_loader::install(&volume)?;
    }
    observer.phase(format!("writing everything to {}", location.display()));
    volume.close()?;
    image.publish()
}

fn refuse_too_small(size: u64, measure: &Measure) -> Result<()> {
    let needed = measure.needed();
    if size >= needed {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Error::refused(format!(
        "DISK_SIZE is {} MiB, and the root filesystem needs {} MiB ({} MiB of files); set DISK_SIZE={}M or more",
        megabytes(size),
        megabytes(needed),
        megabytes(measure.bytes),
        megabytes(needed)
    )))
}

fn format(path: &Path) -> Result<()> {
    Program::new("mkfs.btrfs").package("btrfs-progs").args(["--quiet", "--force"]).arg(path).run().map(drop)
}

/// Copies the tree to the new version's `orig`.
fn fill(
    volume: &Volume,
    label: &Label,
    tree: &Dir,
    measure: &Measure,
    observer: &dyn Observer,
) -> Result<()> {
    observer.phase(format!("copying {}", tree.shown("").display()));
    volume.top().make_dir(layout::version(label), 0o755)?;
    let version = volume.version_dir(label)?;
    btrfs::create(&version, ORIG)?;
    let orig = version.dir(ORIG)?;
    let report = |bytes: u64| observer.progress(bytes, Some(measure.bytes));
    let mut copier = Copier::new(&orig).progress(&report);
    copier.contents(tree, Path::new(""))?;
    for mount in copier.skipped_mounts() {
        observer.note(format!("{} is a mount point, and stays empty in the version", mount.display()));
    }
    Ok(())
}
