//! Remedies for errors. Libraries tell what happened. Only a program knows its options, commands and variables, and adds a remedy.

use std::path::{Path, PathBuf};

use baserock::boot::BootFile;
use baserock::etc::EtcPath;
use baserock::{ExistingLabel, Refusal};
use system::Error;

/// The remedies of a program: for an error, the words that end its line. `None` if the program has no remedy of its own for this error.
pub type Remedies = fn(&Error) -> Option<String>;

/// The remedies of a program without any of its own.
pub fn none(_: &Error) -> Option<String> {
    None
}

/// The line of an error: what happened, and the remedy.
pub fn line(error: &Error, remedies: Remedies) -> String {
    with(error.to_string(), remedies(error).or_else(|| usual(error)))
}

/// The line of an error with context, which may wrap an error of the library.
pub(crate) fn chain(error: &anyhow::Error, remedies: Remedies) -> String {
    let remedy = error.downcast_ref().and_then(|error| remedies(error).or_else(|| usual(error)));
    with(format!("{error:#}"), remedy)
}

/// The remedy for a missing program: its Debian package.
pub fn install(package: &str) -> String {
    format!("install the Debian package {package} (apt-get install {package})")
}

/// The remedies of programs that read the variables about booting.
pub fn boot(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::NoBootFile { file, .. } => format!("{} names it", variable(*file)),
        Refusal::NoDeviceTrees { .. } => format!("{} names it", variable(BootFile::DeviceTree)),
        Refusal::EmptyBootFile { file, .. } => {
            format!("put one there, or set {} to another", variable(*file))
        }
        Refusal::NoKernel { .. } => {
            "install one, set KERNEL_PATH, or set BOOTLOADER_CONFIG_FORMAT=none if another boot loader \
                                     starts this system"
                .to_owned()
        }
        Refusal::OtherProcessor { .. } => "install the kernel for that, or name it by KERNEL_PATH".to_owned(),
        Refusal::CommandLineBroken => "KERNEL_ARGS must be one line of words separated by spaces".to_owned(),
        Refusal::CommandLineUnclosed => "close it in KERNEL_ARGS, or leave it out".to_owned(),
        Refusal::CommandLineTooLong { .. } => "shorten KERNEL_ARGS".to_owned(),
        Refusal::OwnArgument { argument } if argument.starts_with("root=") => {
            "leave it out of KERNEL_ARGS, and name the device by ROOT_DEVICE".to_owned()
        }
        Refusal::OwnArgument { .. } => "leave it out of KERNEL_ARGS".to_owned(),
        Refusal::Unnameable { label } => format!("rename its folder, /systems/{label}"),
        Refusal::EspFull { .. } => {
            "remove from it what no machine boots any more, or make it larger".to_owned()
        }
        Refusal::NoMenu { .. } => "deploy a version with BOOTLOADER_CONFIG_FORMAT=extlinux".to_owned(),
        Refusal::NoEntry { .. } => {
            "deploy it with BOOTLOADER_CONFIG_FORMAT=extlinux, or remove the versions that have one"
                .to_owned()
        }
        _ => return None,
    })
}

/// The remedy of programs that merge `/etc`: an option that chooses one side of each path.
pub fn take(paths: &[EtcPath]) -> String {
    let takes: Vec<String> = paths.iter().map(|path| format!("--take {path}=user|new")).collect();
    format!("choose with {}", takes.join(" "))
}

/// The remedy of extensions that merge `/etc`: a variable that chooses one side of each path.
pub fn take_by_variable(paths: &[EtcPath]) -> String {
    let takes: Vec<String> = paths.iter().map(|path| format!("{path}=user|new")).collect();
    format!("choose with MERGE_TAKE: {}", takes.join(" "))
}

/// The remedy of extensions where a system takes only what is signed.
pub fn sign_by_variable() -> String {
    "set SIGNING_KEY to a key that it trusts".to_owned()
}

/// The remedy for a full volume: versions to remove with `command`, which is system-version-manager with its options. If there are none, the
/// `large` folders are named with their sizes in MiB.
pub fn make_room(command: &str, removable: &[ExistingLabel], large: &[(PathBuf, u64)]) -> String {
    let labels: Vec<&str> = removable.iter().map(ExistingLabel::as_str).collect();
    if !labels.is_empty() {
        return format!("remove a version with {command} remove LABEL ({})", labels.join(", "));
    }
    let large: Vec<String> =
        large.iter().map(|(path, size)| format!("{} {size} MiB", path.display())).collect();
    let largest =
        if large.is_empty() { String::new() } else { format!(" (the largest: {})", large.join(", ")) };
    format!("no version can be removed: delete other files{largest}, or enlarge the filesystem")
}

fn variable(file: BootFile) -> &'static str {
    match file {
        BootFile::Kernel => "KERNEL_PATH",
        BootFile::Initramfs => "INITRAMFS_PATH",
        BootFile::DeviceTree => "DTB_PATH",
    }
}

fn with(what: String, remedy: Option<String>) -> String {
    match remedy {
        Some(remedy) => format!("{what}; {remedy}"),
        None => what,
    }
}

/// The remedies that are the same for all programs.
fn usual(error: &Error) -> Option<String> {
    match error.kind() {
        Some(Refusal::NeedsRoot { .. }) => return Some("try again with sudo".to_owned()),
        Some(Refusal::Attached { device, .. }) => {
            let device = device.display();
            return Some(format!(
                "unmount it and detach it (losetup -d {device}) first, or give that device"
            ));
        }
        _ => {}
    }
    Some(match error {
        Error::Busy { .. } => "wait for it to end".to_owned(),
        Error::NotInstalled { package, .. } => install(package),
        Error::SwappedTo { file: Some(file), .. } => format!("stop that first (swapoff {})", file.display()),
        Error::SwappedTo { file: None, .. } => "stop that first (swapoff)".to_owned(),
        Error::NoUserNamespaces { setting, wanted, .. } => {
            format!("have root run `sysctl {setting}={wanted}`, or run this as root")
        }
        _ => return None,
    })
}

/// What to say of a loader on partition `number` of the disk, that firmware does not start, because that of somebody else is in its place.
pub fn not_started(loader: &Path, other: &Path, (disk, number): (&Path, u32)) -> String {
    format!(
        "the firmware starts {}, which stays; to have it start GRUB, run on that machine: \
         efibootmgr --create --disk {} --part {number} --label Baserock --loader '\\{}'",
        other.display(),
        disk.display(),
        loader.display().to_string().replace('/', "\\")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(error: &Error) -> Option<String> {
        matches!(error, Error::Busy { .. }).then(|| "use --wait".to_owned())
    }

    fn busy() -> Error {
        Error::Busy { what: "disk.img".into(), holder: "morph (process 8)".into() }
    }

    #[test]
    fn a_programs_own_remedy_goes_before_the_usual_one() {
        assert_eq!(line(&busy(), waits), "disk.img is in use by morph (process 8); use --wait");
        assert_eq!(line(&busy(), none), "disk.img is in use by morph (process 8); wait for it to end");
        assert_eq!(line(&Error::refused("no"), waits), "no");
    }

    #[test]
    fn context_does_not_hide_the_kind() {
        let error = anyhow::Error::from(busy()).context("cannot begin");
        assert_eq!(chain(&error, waits), "cannot begin: disk.img is in use by morph (process 8); use --wait");
        assert_eq!(chain(&anyhow::anyhow!("no"), waits), "no");
    }

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Error::NotInstalled { program: "mkfs.vfat".into(), package: "dosfstools" };
        let expected =
            "mkfs.vfat is not installed; install the Debian package dosfstools (apt-get install dosfstools)";
        assert_eq!(line(&error, none), expected);
    }
}
