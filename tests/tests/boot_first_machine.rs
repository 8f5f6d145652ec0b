//! The page `docs/first-machine.md`, run as it is printed, with the installed programs.
//!
//! Pace: boots machines

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use baserock_tests::programs::{Done, run, shell};
use baserock_tests::{bootable, document, inputs};
use tempfile::TempDir;

/// The folder in which somebody works, and its machine, which ends with this value.
struct Place(TempDir);

/// How long a block may take on a busy machine.
const PATIENCE: &str = "1200";

impl Place {
    /// Runs commands as root with an empty folder for ssh. Returns what they printed.
    fn run(&self, commands: &str) -> String {
        let ssh = self.0.path().join("ssh");
        let outer = r#"mount --bind "$0" ~/.ssh && exec timeout "$1" bash -euc "$2""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", outer]).arg(ssh).args([PATIENCE, commands]);
        let path =
            format!("{}:{}", bootable::installed().join("usr/bin").display(), std::env::var("PATH").unwrap());
        let Done { code, stdout, stderr } = run(command.env("PATH", path).current_dir(self.work()));
        let serial = fs::read_to_string(self.work().join("serial.log")).unwrap_or_default();
        let last = serial.get(serial.len().saturating_sub(3000)..).unwrap_or(&serial);
        assert_eq!(code, 0, "{commands}: {stdout}{stderr}\n--- the end of the serial log ---\n{last}");
        stdout
    }

    fn work(&self) -> std::path::PathBuf {
        self.0.path().join("work")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(process) = process(&self.work()) {
            shell("kill", &["-9", &process]);
        }
    }
}

/// The number of the machine's process, if it runs.
fn process(work: &Path) -> Option<String> {
    let number = fs::read_to_string(work.join("qemu.pid")).ok()?.trim().to_owned();
    let name = fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
    name.starts_with("qemu-system").then_some(number)
}

#[test]
fn the_page_is_as_it_is_printed() {
    let place = Place(TempDir::new_in(inputs::folder()).unwrap());
    fs::create_dir(place.work()).unwrap();
    fs::create_dir(place.0.path().join("ssh")).unwrap();
    // What is bound over it is gone with each block.
    shell("sh", &["-ec", "mkdir -p -m 700 ~/.ssh"]);
    let (mut commands, mut compared) = (0, 0);
    let mut printed = String::new();
    for block in document::blocks(&document::read("docs/first-machine.md")) {
        if block.language == "sh" {
            let begun = Instant::now();
            printed = place.run(&block.text);
            println!("{:4} s: {}", begun.elapsed().as_secs(), block.text.lines().next().unwrap_or_default());
            commands += 1;
            continue;
        }
        let mut lines = printed.lines();
        for expected in block.text.lines() {
            assert!(lines.any(|line| line == expected), "{expected:?} is not in: {printed}");
        }
        compared += 1;
    }
    assert!(commands >= 7 && compared >= 4, "{commands} {compared}");
    let begun = Instant::now();
    while process(&place.work()).is_some() {
        assert!(begun.elapsed() < Duration::from_secs(300), "the machine does not power off");
        std::thread::sleep(Duration::from_millis(250));
    }
}
