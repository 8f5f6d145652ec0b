//! A version that fails, on a machine that is booted: it comes back by itself.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use baserock_tests::image::Mounted;
use baserock_tests::inputs::Debian;
use baserock_tests::programs::Done;
use baserock_tests::small_guest::{self, Tree};
use baserock_tests::version::manage_at;

use super::say;
use crate::root;

/// Shows it on a disk image of its own in this folder.
pub fn play(programs: &Path, place: &Path) -> Result<()> {
    say(
        "A trial, on a small machine that is booted in QEMU: Debian's kernel with busybox, and a script in place of systemd's units.",
    );
    let image = place.join("trial.img");
    if image.exists() {
        fs::remove_file(&image)?;
    }
    let write = |tree: &Tree, variables: &[(&str, &str)]| {
        let mut write = root::command(programs.join("rawdisk-write"));
        write.arg(tree.path()).arg(&image).envs(variables.iter().copied());
        root::run(&mut write)
    };
    write(&Tree::new(Debian::Release, "first").with_init(), &[("DISK_SIZE", "512M")])?;
    write(
        &Tree::new(Debian::Updated, "second").with_init(),
        &[("UPGRADE", "yes"), ("VERSION_LABEL", "devel")],
    )?;
    manage_at(&image, &["set-default", "factory"]).ok();
    small_guest::hurry(Mounted::at(&image, 0, "subvolid=5").path());

    say(
        "devel has a fault: its health check fails. It is tried: it is booted once, and factory stays the default.",
    );
    show(&image, &["try", "devel", "--deadline", "45s"])?;
    show(&image, &["list"])?;
    boot(&image, "devel")?;
    say(
        "Nobody has confirmed devel, so the machine has restarted at the deadline. The boot loader has forgotten devel.",
    );
    boot(&image, "factory")?;
    show(&image, &["list"])
}

fn boot(image: &Path, expected: &str) -> Result<()> {
    println!("booting (some seconds, and more without a fast processor) …");
    let said = small_guest::boot(image).map_err(|error| anyhow!(error))?;
    println!("the machine runs {}, with Linux {}", said.label, said.parts[0]);
    ensure!(said.label == expected, "{} was booted, not {expected}", said.label);
    Ok(())
}

fn show(image: &Path, arguments: &[&str]) -> Result<()> {
    println!("$ system-version-manager --volume {} {}", image.display(), arguments.join(" "));
    let Done { code, stdout, stderr } = manage_at(image, arguments);
    print!("{stderr}{stdout}");
    ensure!(code == 0, "system-version-manager {} ended with {code}", arguments.join(" "));
    Ok(())
}
