//! Installs the Debian packages that a job needs.

use anyhow::{Result, bail, ensure};

use crate::root::{command, output, run};

/// Packages that the tools themselves use.
pub const RUNTIME: &[&str] = &[
    "btrfs-progs",
    "dosfstools",
    "e2fsprogs",
    "extlinux",
    "mtools",
    "syslinux",
    "syslinux-common",
    "util-linux",
];
/// Packages that make the inputs of tests.
pub const INPUTS: &[&str] = &["mmdebstrap", "busybox-static"];
/// Packages that build static programs with C code.
pub const BUILD: &[&str] = &["musl-tools"];
/// Packages that build the fuzzer, and a program that it compares with.
pub const FUZZ: &[&str] = &["g++", "git"];
/// More packages that the tests need.
pub const TESTS: &[&str] = &[
    "acl",
    "ansible-core",
    "attr",
    "bindfs",
    "bzip2",
    "cpio",
    "git",
    "libarchive-tools",
    "libcap2-bin",
    "lintian",
    "lz4",
    "lzip",
    "man-db",
    "mandoc",
    "grub-common",
    "grub-efi-amd64-bin",
    "minisign",
    "openssl",
    "procps",
    "pycodestyle",
    "pylint",
    "python3-venv",
    "python3-voluptuous",
    "rsync",
    "strace",
    "tmux",
    "uidmap",
    "umoci",
    "util-linux",
    "xz-utils",
    "yamllint",
    "zsh",
    "zstd",
    "fdisk",
    "fish",
    "openssh-client",
    "qemu-system-common",
    "openssh-server",
    "kmod",
    "ovmf",
    "qemu-efi-aarch64",
    "qemu-system-arm",
    "u-boot-qemu",
    "u-boot-tools",
    "qemu-system-x86",
    "qemu-utils",
];

/// Installs the missing packages, and shows their names.
pub fn ensure(packages: &[&[&str]]) -> Result<()> {
    // Two rounds, because apt may remove a package that is too new for another one.
    for _ in 0..2 {
        let missing = missing(packages);
        if missing.is_empty() {
            return Ok(());
        }
        install(&missing)?;
    }
    let missing = missing(packages);
    ensure!(missing.is_empty(), "apt-get has not installed {}; install them by hand", missing.join(" "));
    Ok(())
}

fn missing<'a>(packages: &[&[&'a str]]) -> Vec<&'a str> {
    packages.iter().flat_map(|group| group.iter().copied()).filter(|name| !is_installed(name)).collect()
}

fn install(missing: &[&str]) -> Result<()> {
    println!("installing Debian packages: {}", missing.join(" "));
    if !std::path::Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "this machine has no apt-get; install the content of these Debian packages: {}",
            missing.join(" ")
        );
    }
    run(command("apt-get").args(["-qq", "update"]))?;
    let install = ["-qq", "install", "--yes", "--no-install-recommends"];
    run(command("apt-get").args(install).args(missing).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_installed(package: &str) -> bool {
    let status = output(command("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
    status.is_ok_and(|status| status == "installed")
}
