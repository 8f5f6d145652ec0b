//! `cargo xtask demo`: shows the main job on real input, step by step.

mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use baserock_tests::image::Mounted;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::programs::Done;
use baserock_tests::running::Running;

use crate::{build, packages, root};

/// Show the main job: a Debian becomes a machine that is upgraded, keeps its /etc, rolls back, and comes back from a version that fails
///
/// Installs the Debian packages that it needs first. The first run takes some minutes, because it makes two Debian root filesystems; later
/// runs take a minute or two, in which a small machine is booted. The disk image is kept, to play with.
#[derive(clap::Args)]
pub struct Demo {
    /// Use small root filesystems around busybox instead of two Debians, and boot nothing
    #[arg(long)]
    quick: bool,
}

/// The vendor's files that the administrator edits. In the first, the next version changes another line; in the second, the same line.
const CONFIG: &str = "etc/vendor/vendor.conf";
const VENDOR: &str =
    "# vendor settings\n\nname = machine\n\n\nlimit = 10\n\n\n\ncolour = green\n\n\n\nlast = yes\n";
const CLASH: &str = "etc/vendor/clash.conf";

impl Demo {
    /// Runs the demo.
    pub fn run(&self) -> Result<()> {
        packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, packages::TESTS])?;
        println!("building the programs");
        let programs = build::programs(build::Purpose::Tests)?;
        let place = root::target().join("demo");
        fs::create_dir_all(&place)?;
        let trees = self.trees(&place)?;
        let image = place.join("disk.img");
        if image.exists() {
            fs::remove_file(&image).context("cannot remove the image of the last demo")?;
        }
        write(&programs, &trees[0], &image, self.quick)?;
        play(&image, &trees[1])?;
        if !self.quick {
            trial::play(&programs, &place)?;
        }
        say("That was all. The image is kept:");
        println!("$ system-version-manager --volume {} list", image.display());
        println!(
            "$ qemu-system-x86_64 -m 1G -nographic -drive file={},format=raw,if=virtio",
            image.display()
        );
        Ok(())
    }

    fn trees(&self, place: &Path) -> Result<[PathBuf; 2]> {
        let (first, second) = if self.quick {
            (inputs::busybox()?, inputs::busybox()?)
        } else {
            println!("making two Debian root filesystems, if they are not there yet (about two minutes)");
            (inputs::debian(Debian::Release)?, inputs::debian(Debian::Updated)?)
        };
        let trees = [place.join("tree-1"), place.join("tree-2")];
        for (from, to) in [first, second].iter().zip(&trees) {
            root::run(root::command("rm").arg("-rf").arg(to))?;
            root::run(root::command("cp").args(["-a", "--reflink=auto"]).args([from, to]))?;
            fs::create_dir_all(to.join("etc/vendor"))?;
        }
        fs::write(trees[0].join(CONFIG), VENDOR)?;
        fs::write(trees[1].join(CONFIG), VENDOR.replace("limit = 10", "limit = 20"))?;
        fs::write(trees[0].join(CLASH), "mode = slow\n")?;
        fs::write(trees[1].join(CLASH), "mode = fast\n")?;
        Ok(trees)
    }
}

fn write(programs: &Path, tree: &Path, image: &Path, quick: bool) -> Result<()> {
    let size = if quick { "512M" } else { "4G" };
    say("The first root filesystem becomes a disk image with version factory.");
    println!(
        "$ DISK_SIZE={size} KERNEL_ARGS=console=ttyS0 rawdisk.write {} {}",
        tree.display(),
        image.display()
    );
    let mut write = root::command(programs.join("rawdisk-write"));
    root::run(write.args([tree, image]).env("DISK_SIZE", size).env("KERNEL_ARGS", "console=ttyS0"))
}

fn play(image: &Path, second: &Path) -> Result<()> {
    say("The machine \"runs\" in a private namespace: its / is systems/factory/run of the image.");
    let system = Running::start_at(image, "factory");
    manage(&system, &["list"])?;

    say(
        "The administrator edits two vendor files in /etc. The next version changes another line of the first, and the same line of the second.",
    );
    edit(&system, CONFIG, "name = machine", "name = night-server")?;
    edit(&system, CLASH, "slow", "careful")?;

    say("The second root filesystem is put beside the first, as a subvolume.");
    println!("# mount -o subvolid=5 /dev/sda /mnt");
    println!("# btrfs subvolume create /mnt/systems/devel/orig && cp -a TREE/. /mnt/systems/devel/orig/");
    put(&system.top_level(), second)?;

    say(
        "It is deployed: it gets a snapshot, a merged /etc, a copy of its kernel, and an entry in the boot menu. The default stays.",
    );
    manage(&system, &["deploy", "/systems/devel/orig"])?;
    manage(&system, &["list"])?;

    say("Changes of different lines are both in the file:");
    let top = system.top_level();
    show(&top, "systems/devel/run", CONFIG)?;
    say(
        "Where both changed the same line, the file is the new version's, and the administrator's change is beside it:",
    );
    show(&top, "systems/devel/run", CLASH)?;
    show(&top, "systems/devel/run", &format!("{CLASH}.rej"))?;
    drop(top);

    say("It becomes the default: the next boot starts the new version.");
    manage(&system, &["set-default", "devel"])?;
    manage(&system, &["list"])?;
    drop(system);

    say(
        "\"Rebooted\": / is now systems/devel/run. Suppose it does not work well: the default becomes factory again.",
    );
    let system = Running::start_at(image, "devel");
    manage(&system, &["list"])?;
    manage(&system, &["set-default", "factory"])?;
    drop(system);

    say("\"Rebooted\" again, into factory, which has not changed. The new version is removed.");
    let system = Running::start_at(image, "factory");
    manage(&system, &["remove", "devel"])?;
    manage(&system, &["list"])?;
    Ok(())
}

fn say(text: &str) {
    println!("\n== {text}");
}

/// Runs the program inside, and shows the command and its output.
fn manage(system: &Running, arguments: &[&str]) -> Result<()> {
    println!("# system-version-manager {}", arguments.join(" "));
    let Done { code, stdout, stderr } = system.manage(arguments);
    print!("{stderr}{stdout}");
    ensure!(code == 0, "system-version-manager {} ended with {code}", arguments.join(" "));
    Ok(())
}

fn edit(system: &Running, file: &str, from: &str, to: &str) -> Result<()> {
    println!("# sed -i 's/{from}/{to}/' /{file}");
    let path = system.path(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read /{file}"))?;
    fs::write(&path, text.replace(from, to)).with_context(|| format!("cannot write /{file}"))
}

fn put(top: &Mounted, tree: &Path) -> Result<()> {
    let systems = top.dir().dir("systems")?;
    systems.make_dir("devel", 0o755)?;
    system::btrfs::create(&systems.dir("devel")?, "orig")?;
    let orig = top.path().join("systems/devel/orig");
    root::run(root::command("cp").arg("-a").arg(tree.join(".")).arg(&orig))
}

fn show(top: &Mounted, version: &str, file: &str) -> Result<()> {
    println!("# cat /{file}");
    let path = top.path().join(version).join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {version}/{file}"))?;
    text.lines().filter(|line| !line.is_empty()).for_each(|line| println!("    {line}"));
    Ok(())
}
