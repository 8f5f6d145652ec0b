//! `bench merge`: config-sync on a real Debian `/etc`, compared with a shell script that does the same file by file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use baserock::etc::EtcPath;
use baserock::etc::accounts::is_account_file;
use baserock::etc::identity::{Class, class};
use nix::fcntl::{FcntlArg, fcntl};

/// Numbers of files that only the user edits, that only the vendor edits, and that both edit in the same line.
const USER: usize = 52;
const VENDOR: usize = 32;
const BOTH: usize = 8;

/// Runs of the program. The median counts.
const RUNS: usize = 21;

/// The bars: at least so many times faster than the script, and at most so much memory.
const FASTER: f64 = 100.0;
const MOST_KIB: u64 = 32 * 1024;

/// Measures `program` (baserock-system-config-sync) on the `etc` of a Debian tree, and fails if a bar is not met.
pub fn run(etc: &Path, program: &Path) -> Result<()> {
    // In memory, so that the disk is not measured.
    let place = tempfile::tempdir_in("/dev/shm").context("a directory in /dev/shm")?;
    let volume = place.path();
    let entries = prepare(etc, volume)?;
    let mut times = Vec::new();
    let (mut processes, mut peak) = (0, 0);
    for _ in 0..RUNS {
        let before = forks()?;
        let (time, kib) = own(program, volume)?;
        processes = forks()? - before;
        peak = peak.max(kib);
        times.push(time);
    }
    times.sort();
    let own = times[RUNS / 2];
    let before = forks()?;
    let shell = script(volume)?;
    let spawned = forks()? - before;
    compare(volume)?;
    let ratio = shell.as_secs_f64() / own.as_secs_f64();
    println!(
        "{entries} entries, {} edited by the user, {} changed by the vendor, {BOTH} conflicts",
        USER + BOTH,
        VENDOR + BOTH
    );
    println!("program: {:8.1} ms, {processes} process, peak {peak} KiB", own.as_secs_f64() * 1e3);
    println!("script:  {:8.1} ms, {spawned} processes", shell.as_secs_f64() * 1e3);
    println!("ratio:   {ratio:8.0} times faster (bar: {FASTER})");
    ensure!(ratio >= FASTER, "only {ratio:.0} times faster than the script");
    ensure!(peak < MOST_KIB, "{peak} KiB at the peak, more than {MOST_KIB}");
    ensure!(processes <= 1, "{processes} processes instead of one");
    Ok(())
}

/// Lays out two versions with edits on both sides. Returns the number of entries in `etc`.
fn prepare(etc: &Path, volume: &Path) -> Result<usize> {
    for version in ["old", "new"] {
        for tree in ["orig", "run"] {
            let tree = volume.join("systems").join(version).join(tree);
            fs::create_dir_all(&tree)?;
            let copied = Command::new("cp").arg("-a").arg(etc).arg(tree.join("etc")).status()?;
            ensure!(copied.success(), "cannot copy {}", etc.display());
            // The script does not know markers.
            for marker in [".updated", ".pwd.lock"] {
                if tree.join("etc").join(marker).exists() {
                    fs::remove_file(tree.join("etc").join(marker))?;
                }
            }
        }
    }
    let (entries, files) = candidates(etc)?;
    let files: Vec<_> = spread(&files, USER + VENDOR + BOTH)?;
    let edit = |tree: &str, files: &[PathBuf], text: &str| {
        files
            .iter()
            .try_for_each(|file| change(&volume.join("systems").join(tree).join("etc").join(file), text))
    };
    edit("old/run", &files[..USER + BOTH], "edited by the administrator")?;
    for tree in ["new/orig", "new/run"] {
        edit(tree, &files[USER..], "changed by the vendor")?;
    }
    Ok(entries)
}

/// All entries, and those text files that are merged by the general rules.
fn candidates(etc: &Path) -> Result<(usize, Vec<PathBuf>)> {
    let ordinary = |path: &Path| {
        let path = EtcPath::from(path.as_os_str().as_encoded_bytes());
        class(&path) == Class::Ordinary && !is_account_file(&path) && path.as_bytes() != b"fstab"
    };
    let (mut entries, mut files, mut folders) = (0, BTreeSet::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(etc.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            entries += 1;
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else if entry.file_type()?.is_file() && ordinary(&path) {
                let text = fs::read(etc.join(&path))?;
                let lines = text.split(|&byte| byte == b'\n').count();
                if lines >= 3 && !text.contains(&0) {
                    files.insert(path);
                }
            }
        }
    }
    Ok((entries, files.into_iter().collect()))
}

/// So many of the files, from all parts of the tree.
fn spread(files: &[PathBuf], count: usize) -> Result<Vec<PathBuf>> {
    if files.len() < count {
        bail!(
            "only {} text files in this etc; {count} are needed: give the tree of a larger system",
            files.len()
        );
    }
    Ok((0..count).map(|index| files[index * files.len() / count].clone()).collect())
}

/// Changes the second line of a file.
fn change(file: &Path, text: &str) -> Result<()> {
    let bytes = fs::read(file)?;
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let line = format!("# {text}\n");
    lines[1] = line.as_bytes();
    Ok(fs::write(file, lines.concat())?)
}

/// Merges with the program. Returns the time, and the peak of its memory in KiB.
fn own(program: &Path, volume: &Path) -> Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(["merge", "old", "new", "--json", "--volume"])
        .arg(volume)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let mut output = child.stdout.take().context("its output")?;
    // The report comes last. It does not fit into the pipe, so the process waits there, and its memory can be read.
    fcntl(&output, FcntlArg::F_SETPIPE_SZ(4096))?;
    let mut report = vec![0];
    output.read_exact(&mut report).context("its report")?;
    let kib = peak(child.id())?;
    output.read_to_end(&mut report)?;
    let status = child.wait()?;
    ensure!(status.success(), "the merge failed: {status}");
    Ok((start.elapsed(), kib))
}

fn peak(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the process ended too early")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Merges with the script, into `result`.
fn script(volume: &Path) -> Result<Duration> {
    let path = volume.join("merge.sh");
    fs::write(&path, include_str!("merge.sh"))?;
    let etc = |tree: &str| volume.join("systems").join(tree).join("etc");
    let start = Instant::now();
    let status = Command::new("sh")
        .arg(&path)
        .args([etc("old/orig"), etc("old/run"), etc("new/orig"), volume.join("result")])
        .stdout(File::create(volume.join("script.log"))?)
        .status()?;
    ensure!(status.success(), "the script failed: {status}");
    Ok(start.elapsed())
}

/// Fails if program and script have different results.
fn compare(volume: &Path) -> Result<()> {
    let run = volume.join("systems/new/run/etc");
    let output = Command::new("diff")
        .arg("-r")
        .arg("--no-dereference")
        .args([&run, &volume.join("result")])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "program and script differ:\n{text}");
    Ok(())
}

/// Processes started on this machine since it booted.
fn forks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("processes ")).context("/proc/stat")?;
    Ok(line.trim().parse()?)
}
