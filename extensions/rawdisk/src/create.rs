//! Makes a new disk: it is formatted, filled, deployed as `factory`, and made bootable.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use baserock::boot::Parameters;
use baserock::boot::parameters::MenuFormat;
use baserock::extension::Environment;
use baserock::label::Label;
use baserock::layout::{self, MOUNTS, ORIG, PRIVATE};
use baserock::operations::boot_loader::grub::{self, Installed};
use baserock::operations::boot_loader::{extlinux, uboot};
use baserock::operations::trust::Provenance;
use baserock::operations::{self, Deploy, deploy, loader_limits, manifest};
use baserock::rootfs::architecture::architecture;
use baserock::volume::{Location, Opening, Purpose, Volume};
use baserock_terminal::remedy::not_started;
use baserock_terminal::user;
use delta::Manifest;
use delta::scan::scan_with;
use delta::seen::SeenHashes;
use nix::sys::stat::FileStat;
use system::btrfs::{self, Access};
use system::copy::Copier;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::Patience;
use system::loopdev::LoopDevice;
use system::observer::Observer;
use system::partitions::{self, SECTOR};

use crate::disk::{Disk, Partitioned};
use crate::host_keys::HostKeys;
use crate::identity::Identity;
use crate::layout::PlacedFile;
use crate::loader::Loader;
use crate::options::Options;
use crate::target::Target;
use crate::tree::{self, Measure};
use crate::{clamp, filesystem, fill, machine, mounts, raw, table};

/// Everything that is decided before the disk is touched.
struct Plan<'a> {
    tree: Dir,
    measure: Measure,
    disk: Disk,
    parameters: Parameters,
    loader: Loader,
    grub: Option<grub::Parts>,
    raw_files: Vec<PlacedFile>,
    identity: Identity,
    options: &'a Options,
    shown: &'a Path,
}

/// Makes a new image at `location`, or writes the device there, with `tree` as version `factory`.
pub fn create(
    tree: &Path,
    location: &Path,
    options: &Options,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<()> {
    let begun = SystemTime::now();
    let plan = Plan::new(tree, location, options, environment)?;
    let volume = plan.disk.volume();
    if let Some(limit) = loader_limits::of_size(volume.end - volume.start)
        .filter(|_| plan.disk.extlinux_reads_volume(plan.loader))
    {
        observer.warn(limit);
    }
    let mut target = Target::new(location, plan.disk.size)?;
    target.begin()?;
    observer.phase(format!("formatting {}", location.display()));
    plan.partition(&target)?;
    plan.make_volume(&target)?;
    if let Some(parts) = &plan.disk.partitioned {
        plan.make_others(parts, &target, observer)?;
    }
    let volume = open(target.path(), Purpose::Fill)?;
    let label = Label::factory();
    let keys = if options.keep_identity {
        None
    } else {
        Some(HostKeys::begin(&volume, &plan.tree, &plan.identity)?)
    };
    let made = plan.fill(&volume, &label, observer)?;
    let deploy = Deploy {
        label: label.clone(),
        parameters: plan.parameters.clone(),
        etc: None,
        keep: None,
        refuse_conflicts: false,
    };
    operations::deploy(&volume, &deploy, observer)?;
    // The manifest is stored only now, because it is bound to the tree as deploying has frozen it.
    let version = volume.version_dir(&label)?;
    manifest::store(&version, &version.dir(ORIG)?, &made)?;
    Provenance::signed(&label, made.digest(), options.key.as_deref())?.store(&version)?;
    if let Some(keys) = keys {
        machine::renew(&volume, &label, &plan.identity, keys, observer)?;
    }
    if let Some(epoch) = options.epoch {
        clamp::times(&volume, begun, epoch)?;
    }
    if plan.loader.has_extlinux() {
        observer.phase("installing extlinux");
        extlinux::install(&volume)?;
    }
    if let Some(parts) = &plan.grub {
        observer.phase("installing GRUB");
        let Installed { path, other, disk: (disk, number) } = grub::install(&volume, parts, observer)?;
        if let Some(other) = other {
            observer.warn(not_started(&path, &other, (&disk, number)));
        }
    }
    if let (Loader::Uboot, Some(parts)) = (plan.loader, &plan.disk.partitioned) {
        let boot = parts.file.boot().map(|boot| boot.number).unwrap_or_default();
        uboot::install(&volume, boot)?;
    }
    observer.phase(format!("writing everything to {}", location.display()));
    volume.close()?;
    for file in plan.raw_files.iter().filter(|file| file.start >= SECTOR) {
        plan.write_raw(file, target.file())?;
    }
    target.publish()
}

fn open(path: PathBuf, purpose: Purpose) -> Result<Volume> {
    let volume =
        Volume::open(&Opening { location: Location::Path(path), purpose, patience: Patience::Refuse })?;
    Ok(volume.for_user(user()))
}

impl<'a> Plan<'a> {
    fn new(tree: &Path, location: &'a Path, options: &'a Options, environment: &Environment) -> Result<Self> {
        let tree = tree::open(tree)?;
        let loader = Loader::of(options.loader, &tree)?;
        let disk = Disk::new(location, options, loader)?;
        let mut parameters = Parameters::from_environment(environment)?;
        let grub = loader.has_grub().then(|| grub_parts(&tree)).transpose()?;
        if loader.has_esp() && parameters.menu == Some(MenuFormat::None) {
            return Err(Error::refused(
                "BOOTLOADER_INSTALL asks for a loader that reads the boot menu, and BOOTLOADER_CONFIG_FORMAT=none \
                 makes none; leave that out",
            ));
        }
        if loader.has_esp() {
            parameters.menu.get_or_insert(MenuFormat::Extlinux);
        }
        deploy::check_tree(&tree, &parameters, false)?;
        let raw_files = disk.partitioned.as_ref().map_or(Ok(Vec::new()), |parts| {
            parts.layout.place_files(&parts.file, disk.size, |file| raw::size(&tree, &file.file))
        })?;
        if let Some(parts) = disk.partitioned.as_ref().filter(|_| loader.has_extlinux()) {
            table::boot_code(parts.file.table, &tree)?;
        }
        let measure = tree::measure(&tree)?;
        let volume = disk.volume();
        refuse_too_small(volume.end - volume.start, &measure, disk.partitioned.is_some())?;
        let identity = Identity::new(options.epoch, &measure.digest);
        Ok(Plan {
            tree,
            measure,
            disk,
            parameters,
            loader,
            grub,
            raw_files,
            identity,
            options,
            shown: location,
        })
    }

    /// Writes the partition table and the boot code.
    fn partition(&self, target: &Target) -> Result<()> {
        let Some(parts) = &self.disk.partitioned else { return Ok(()) };
        let bootable = parts.bootable(self.loader.has_extlinux());
        let mut file = target.file().try_clone().or_cannot("open", self.shown)?;
        table::write(&mut file, self.shown, &parts.layout, bootable, &self.identity)?;
        if self.loader.has_extlinux() {
            table::write_boot_code(&file, self.shown, parts.file.table, &self.tree)?;
        }
        // The id of the disk is what the file has in its place, and the names of partitions are made of it.
        self.raw_files
            .iter()
            .filter(|file| file.start < SECTOR)
            .try_for_each(|raw| self.write_raw(raw, &file))
    }

    fn write_raw(&self, raw: &PlacedFile, disk: &File) -> Result<()> {
        raw::write(&self.tree, raw, disk, self.shown)
    }

    /// Makes the volume, and writes into it the fstab lines of the other partitions.
    fn make_volume(&self, target: &Target) -> Result<()> {
        let place = self.disk.volume();
        let device =
            LoopDevice::attach(target.file(), self.shown, place.start, place.end - place.start, false)?;
        filesystem::make_btrfs(device.path(), &self.identity)?;
        let volume = open(device.path().to_owned(), Purpose::Make)?;
        if let Some(parts) = &self.disk.partitioned {
            let lines = mounts::lines(parts, &partitions::read(target.file(), self.shown)?);
            if !lines.is_empty() {
                volume.top().dir(PRIVATE)?.write_new(MOUNTS, 0o644, lines.as_bytes())?;
            }
        }
        volume.close()
    }

    /// Makes the other filesystems, and copies to them what the root filesystem has at their mount points.
    fn make_others(&self, parts: &Partitioned, target: &Target, observer: &dyn Observer) -> Result<()> {
        for placed in parts.others() {
            let place = placed.bytes();
            let device = LoopDevice::attach(target.file(), self.shown, place.start, placed.size(), false)?;
            let sector = parts.layout.sector;
            filesystem::make(device.path(), placed, sector, &self.identity, self.options.epoch)?;
            fill::fill(&self.tree, placed, device, parts, observer)?;
        }
        Ok(())
    }

    /// Copies the tree to the new version's `orig`. Returns its manifest, which is made in the same walk.
    fn fill(&self, volume: &Volume, label: &Label, observer: &dyn Observer) -> Result<Manifest> {
        observer.phase(format!("copying {}", self.tree.shown("").display()));
        volume.top().make_dir(layout::version(label), 0o755)?;
        let version = volume.version_dir(label)?;
        btrfs::create(&version, ORIG)?;
        let orig = version.dir(ORIG)?;
        let report = |bytes: u64| observer.progress(bytes, Some(self.measure.bytes));
        let mut hashes = SeenHashes::default();
        let seen = hashes.clone();
        let witness = |stat: &FileStat| seen.witness(stat);
        let mut copier = Copier::new(&orig).progress(&report).witness(&witness);
        let mut copy = copier.follow()?;
        let manifest = scan_with(&self.tree, &mut hashes, &|_| Ok(()), &mut |visit| copy.visit(visit))?;
        copier.fix()?;
        copier.left_out().name(observer);
        // Nobody else can have a file in it open, so deploying need not replace it by a frozen snapshot.
        btrfs::set_access(&orig, Access::ReadOnly)?;
        Ok(manifest)
    }
}

fn grub_parts(tree: &Dir) -> Result<grub::Parts> {
    let architecture = architecture(tree)?.ok_or_else(|| {
        Error::refused(format!(
            "cannot tell for which processor {} is: it has no program of its own; set BOOTLOADER_INSTALL=none",
            tree.shown("").display()
        ))
    })?;
    grub::parts(tree, architecture)
}

fn refuse_too_small(size: u64, measure: &Measure, partitioned: bool) -> Result<()> {
    let needed = measure.needed();
    if size >= needed {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let (what, advice) = if partitioned {
        ("the partition of /", "make it and DISK_SIZE larger".to_owned())
    } else {
        ("DISK_SIZE", format!("set DISK_SIZE={}M or more", megabytes(needed)))
    };
    Err(Error::refused(format!(
        "{what} is {} MiB, and the root filesystem needs {} MiB ({} MiB of files); {advice}",
        megabytes(size),
        megabytes(needed),
        megabytes(measure.bytes),
    )))
}
