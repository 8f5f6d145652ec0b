//! Machines: QEMU, started from a disk image, watched on its serial line, worked with over ssh.
//!
//! Everything waits for a condition; what does not come in time fails with the end of the serial log.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use system::process::Program;
use tempfile::TempDir;

use crate::inputs;

/// The firmware of a machine, and with it the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS of an x86-64 machine.
    Bios,
    /// UEFI of an x86-64 machine.
    Uefi,
    /// UEFI of an ARM64 machine.
    UefiArm,
    /// U-Boot of an ARM64 board; it starts EFI programs too.
    UbootArm,
}

impl Firmware {
    /// QEMU with this firmware; what the firmware writes stays in `place`.
    fn machine(self, place: &Path) -> Command {
        let arm = |firmware: &str| {
            let mut command = Command::new("qemu-system-aarch64");
            command.args(["-machine", "virt", "-cpu", "cortex-a57", "-bios", firmware]);
            command
        };
        match self {
            Firmware::UefiArm => return arm("/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
            Firmware::UbootArm => return arm("/usr/lib/u-boot/qemu_arm64/u-boot.bin"),
            Firmware::Bios | Firmware::Uefi => {}
        }
        let mut command = Command::new("qemu-system-x86_64");
        // No device and no instruction that only costs a boot the time to load its driver, nor a processor that kernels must protect from
        // itself at each call; and one with random numbers, for which a boot waits.
        command.args(["-cpu", "Nehalem,vendor=AuthenticAMD,+rdrand"]);
        if self == Firmware::Uefi {
            let variables = place.join("variables");
            fs::copy("/usr/share/OVMF/OVMF_VARS_4M.fd", &variables).expect("OVMF (Debian package ovmf)");
            let flash = |unit: u32, rest: &str| format!("if=pflash,format=raw,unit={unit},{rest}");
            command.args(["-drive", &flash(0, "readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd")]);
            command.args(["-drive", &flash(1, &format!("file={}", variables.display()))]);
        }
        command
    }
}

/// A running machine; killed, as by a power cut, when this is dropped.
pub struct Machine {
    qemu: Child,
    command: Command,
    place: TempDir,
    port: u16,
}

/// A boot in software emulation on a busy machine. One processor each, since emulated ones that wait for each other lock up there.
const BOOT: Duration = Duration::from_secs(900);
/// How long a machine that is up may take to answer ssh: beside other boots it was seen to take more than five seconds.
const ANSWER: Duration = Duration::from_secs(120);
/// How long one look waits for a machine that may not be up yet.
const GLANCE: Duration = Duration::from_secs(5);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a line is held on which something was typed.
const LINGER: Duration = Duration::from_secs(3);
/// How much of the serial log is shown.
const LAST: usize = 4000;

impl Machine {
    /// Starts a machine from the disk (raw or qcow2, by its name), which it changes. Does not wait for anything.
    pub fn start(disk: &Path) -> Machine {
        Machine::start_with(disk, &[])
    }

    /// Starts a machine with more options for QEMU.
    pub fn start_with(disk: &Path, options: &[&str]) -> Machine {
        Machine::start_by(Firmware::Bios, disk, options)
    }

    /// Starts a machine with this firmware.
    pub fn start_by(firmware: Firmware, disk: &Path, options: &[&str]) -> Machine {
        let place = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let format = if disk.extension().is_some_and(|end| end == "qcow2") { "qcow2" } else { "raw" };
        // What the machine has flushed need not outlive this machine, only QEMU.
        let drive = format!("file={},format={format},if=none,id=disk,cache=unsafe", disk.display());
        let serial = format!(
            "socket,id=serial,path={},server=on,wait=off,logappend=on,logfile={}",
            place.path().join("serial").display(),
            place.path().join("serial.log").display()
        );
        let network = format!("user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22");
        let errors = File::create(place.path().join("errors")).expect("a file for QEMU's words");
        let mut command = firmware.machine(place.path());
        command
            .args(["-accel", "tcg,thread=multi", "-m", "1024", "-smp", "1"])
            .args(["-nodefaults", "-vga", "none", "-display", "none", "-monitor", "none", "-no-user-config"])
            // A machine that resets gets a new process: in the old one, later boots were seen to take up to three times as long.
            .arg("-no-reboot")
            .args([
                "-drive",
                &drive,
                "-device",
                "virtio-blk-pci,drive=disk,bootindex=0",
                "-nic",
                &network,
                "-chardev",
                &serial,
                "-serial",
                "chardev:serial",
            ])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        Machine { qemu: spawn(&mut command), command, place, port }
    }

    /// Starts a machine and waits until root can log in.
    pub fn boot(disk: &Path) -> Machine {
        let mut machine = Machine::start(disk);
        machine.wait_until_up("");
        machine
    }

    /// Where it listens for ssh: address and port.
    pub fn listens(&self) -> (&str, u16) {
        ("127.0.0.1", self.port)
    }

    /// What was written to the serial line so far.
    pub fn serial(&self) -> String {
        let bytes = fs::read(self.place.path().join("serial.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Types on the serial line.
    pub fn press(&self, keys: &[u8]) {
        let socket = self.place.path().join("serial");
        let mut line = UnixStream::connect(&socket)
            .unwrap_or_else(|error| self.fail(&format!("no serial line: {error}")));
        line.write_all(keys).and_then(|()| line.flush()).expect("the serial line");
        // Read on, else the machine waits for somebody to take what it writes; the log has it anyway. A line that is closed at once takes
        // with it what a busy QEMU has not read yet.
        line.set_read_timeout(Some(LOOK)).expect("a timeout");
        let begun = Instant::now();
        while begun.elapsed() < LINGER {
            let _nothing = line.read(&mut [0; 4096]);
        }
    }

    /// Waits until the serial line has said this since `from` bytes; returns where it ended.
    pub fn wait_for_words(&mut self, words: &str, from: usize) -> usize {
        let found = |serial: &str| {
            serial.get(from..).and_then(|rest| rest.find(words)).map(|at| from + at + words.len())
        };
        self.wait(&format!("{words:?} on the serial line"), |machine| found(&machine.serial()))
    }

    /// Runs a command as root in the machine; returns what it wrote to standard output, without the last newline.
    pub fn run(&self, command: &str) -> String {
        let output = self.ssh(command, Stdio::null());
        if !output.status.success() {
            self.fail(&format!("{command}: {}\n{}", output.status, said(&output)));
        }
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Runs a command that has to fail; returns what it wrote to standard error.
    pub fn run_failing(&self, command: &str) -> String {
        let output = self.ssh(command, Stdio::null());
        assert!(!output.status.success(), "{command} did not fail: {}", said(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Unpacks the directory over the machine's directory `to`, as root's.
    pub fn copy_in(&self, from: &Path, to: &str) {
        let mut tar = Command::new("tar")
            .args(["--owner=root", "--group=root", "-cC"])
            .arg(from)
            .arg(".")
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar");
        let stream = tar.stdout.take().expect("tar's output");
        let output = self.ssh(&format!("tar -xC {to} --no-overwrite-dir"), stream);
        assert!(output.status.success() && tar.wait().expect("tar").success(), "{}", said(&output));
    }

    /// Reboots, and waits until root can log in again.
    pub fn reboot(&mut self) {
        let before = self.run("cat /proc/sys/kernel/random/boot_id");
        // The connection may end before the command does.
        self.ssh("systemctl reboot", Stdio::null());
        self.wait_until_up(&before);
    }

    /// Waits until root can log in, in another boot than `before`.
    pub fn wait_until_up(&mut self, before: &str) {
        self.wait("ssh", |machine| {
            let output = machine.ssh_within(GLANCE, "cat /proc/sys/kernel/random/boot_id", Stdio::null());
            let now = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (output.status.success() && now != before).then_some(())
        });
    }

    /// Powers off in order, and waits for the end.
    pub fn power_off(mut self) {
        self.ssh("systemctl poweroff", Stdio::null());
        self.wait_for_end();
    }

    /// Waits until the machine has powered itself off.
    pub fn wait_for_end(&mut self) {
        let begun = Instant::now();
        while self.qemu.try_wait().expect("QEMU").is_none() {
            if begun.elapsed() > BOOT {
                self.fail("the machine did not power off");
            }
            sleep(LOOK);
        }
    }

    /// The power goes.
    pub fn cut(mut self) {
        self.kill();
    }

    fn wait<T>(&mut self, what: &str, condition: impl Fn(&Machine) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(value) = condition(self) {
                println!("{:4} s until {what}", begun.elapsed().as_secs());
                return value;
            }
            if let Some(status) = self.qemu.try_wait().expect("QEMU") {
                if status.success() {
                    // It has reset.
                    self.qemu = spawn(&mut self.command);
                    continue;
                }
                let errors = fs::read_to_string(self.place.path().join("errors")).unwrap_or_default();
                self.fail(&format!("the machine ended ({status}) while waiting for {what}: {errors}"));
            }
            if begun.elapsed() > BOOT {
                self.fail(&format!("{what} did not come within {} seconds", BOOT.as_secs()));
            }
            sleep(LOOK);
        }
    }

    fn ssh(&self, command: &str, input: impl Into<Stdio>) -> Output {
        let begun = Instant::now();
        let output = self.ssh_within(ANSWER, command, input);
        println!("{:4} s: {command}", begun.elapsed().as_secs());
        output
    }

    fn ssh_within(&self, time: Duration, command: &str, input: impl Into<Stdio>) -> Output {
        let key = inputs::ssh_key().expect("the ssh key");
        Command::new("ssh")
            .args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "LogLevel=ERROR",
                "-o",
                &format!("ConnectTimeout={}", time.as_secs()),
                "-o",
                "ServerAliveInterval=15",
                "-o",
                "KexAlgorithms=curve25519-sha256",
            ])
            .arg("-i")
            .arg(key)
            .args(["-p", &self.port.to_string(), "root@127.0.0.1", command])
            .stdin(input)
            .output()
            .expect("ssh (Debian package openssh-client)")
    }

    fn fail(&self, what: &str) -> ! {
        let serial = self.serial();
        let start = serial.len().saturating_sub(LAST);
        let end = serial.get(start..).unwrap_or(&serial);
        panic!("{what}\n--- the end of the serial log ---\n{end}");
    }

    fn kill(&mut self) {
        let _ended = self.qemu.kill();
        let _ended = self.qemu.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().expect("QEMU (Debian packages qemu-system-x86, qemu-system-arm)")
}

/// A disk that begins as `base`, which must not change meanwhile, and keeps its own changes: `place/NAME.qcow2`.
pub fn overlay(base: &Path, place: &Path, name: &str) -> PathBuf {
    let path = place.join(format!("{name}.qcow2"));
    let base = base.canonicalize().expect("the base image");
    let format = if base.extension().is_some_and(|end| end == "qcow2") { "qcow2" } else { "raw" };
    Program::new("qemu-img")
        .package("qemu-utils")
        .args(["create", "-q", "-f", "qcow2", "-F", format, "-b"])
        .arg(&base)
        .arg(&path)
        .run()
        .expect("qemu-img");
    path
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
