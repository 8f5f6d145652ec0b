//! No step without a fail point: every system call of an operation that changes its disk is announced by one.
//!
//! Pace: minutes

use std::path::Path;
use std::process::Command;

use baserock_tests::disk::Disk;
use baserock_tests::operations::{ALL, Operation};
use baserock_tests::programs::run;
use baserock_tests::steps::STEPS;
use baserock_tests::trees::Trees;

/// Where the programs mount volumes.
const MOUNTED: &str = "/run/baserock/";
/// The same of a program that runs inside a version.
const MOUNTED_INSIDE: &str = "/mnt/run/baserock/";

/// Calls that change nothing on a disk, whatever they are about.
const READING: [&str; 35] = [
    "access",
    "close",
    "dup",
    "execve",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fcntl",
    "fgetxattr",
    "flistxattr",
    "flock",
    "fstat",
    "fstatfs",
    "getcwd",
    "getdents64",
    "getxattr",
    "lgetxattr",
    "listxattr",
    "llistxattr",
    "lseek",
    "lstat",
    "mmap",
    "mount",
    "newfstatat",
    "poll",
    "pread64",
    "read",
    "readlink",
    "readlinkat",
    "stat",
    "statfs",
    "statx",
    "umount2",
    "utime",
    "readv",
];
/// Ioctls that only ask.
const ASKING: [&str; 11] = [
    "BTRFS_IOC_DEV_INFO",
    "BTRFS_IOC_FS_INFO",
    "BTRFS_IOC_GET_SUBVOL_INFO",
    "BTRFS_IOC_GET_SUBVOL_ROOTREF",
    "BTRFS_IOC_INO_LOOKUP",
    "BTRFS_IOC_INO_LOOKUP_USER",
    "BTRFS_IOC_SPACE_INFO",
    "BTRFS_IOC_SUBVOL_GETFLAGS",
    "BTRFS_IOC_TREE_SEARCH",
    "FS_IOC_FIEMAP",
    "FS_IOC_GETFLAGS",
];
/// Calls that fill a file: many of one file are one step.
const DATA: [&str; 6] = ["copy_file_range", "fsetxattr", "pwrite64", "sendfile", "splice", "write"];

/// One system call, as strace shows it with `--decode-fds=path`.
struct Call<'t> {
    name: &'t str,
    arguments: &'t str,
}

impl<'t> Call<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then_some(Call { name, arguments: rest })
    }

    /// What the call is about: the path of its first descriptor, and the first name.
    fn object(&self) -> String {
        let descriptor = self.arguments.split_once('<').and_then(|(number, rest)| {
            number
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| rest.split_once('>').map(|(path, _)| path))?
        });
        let named =
            self.arguments.split_once('"').and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
        match (descriptor, named) {
            (Some(path), Some(name)) if !self.is_data() => format!("{path}/{name}"),
            (Some(path), _) => path.to_owned(),
            (None, name) => name.unwrap_or_default().to_owned(),
        }
    }

    fn is_data(&self) -> bool {
        DATA.contains(&self.name)
    }

    fn changes(&self) -> bool {
        match self.name {
            "open" | "openat" | "openat2" => {
                ["O_CREAT", "O_TRUNC", "O_TMPFILE"].iter().any(|flag| self.arguments.contains(flag))
            }
            "ioctl" => !ASKING.iter().any(|request| self.arguments.contains(request)),
            name => !READING.contains(&name),
        }
    }
}

/// Whether something is on the disk that the operation works on: below one of these folders, or reached by an open directory.
fn is_on_disk(object: &str, folders: &[&str]) -> bool {
    let below = |folder: &&str| object.strip_prefix(*folder).is_some_and(|rest| rest.contains('/'));
    object.starts_with("/proc/") && object.contains("/fd/") || folders.iter().any(below)
}

/// The calls that change the disk and are not announced.
fn unannounced(trace: &str, steps: &str, folders: &[&str]) -> Vec<String> {
    let (mut announced, mut last, mut faults) = (false, String::new(), Vec::new());
    for line in trace.lines() {
        let Some(call) = Call::parse(line) else { continue };
        let object = call.object();
        if call.name == "write" && object == steps {
            announced = true;
        } else if call.changes() && is_on_disk(&object, folders) {
            let goes_on = call.is_data() && last == object;
            let is_thaw = call.arguments.contains("FITHAW") && last == object;
            if !(announced || goes_on || is_thaw) {
                faults.push(line.to_owned());
            }
            (announced, last) = (false, object);
        }
    }
    faults
}

/// Runs the operation, and looks at every system call of it.
fn watch(operation: &Operation, trees: &Trees) {
    let image = operation.image(trees).copy();
    let place = tempfile::tempdir().unwrap();
    let (steps, trace) = (place.path().join("steps"), place.path().join("trace"));
    let program = operation.command(trees, &image.path());
    let mut watched = Command::new("strace");
    watched.args(["--quiet=all", "--decode-fds=path", "--string-limit=4096", "--signal=none", "--output"]);
    watched.arg(&trace).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => watched.env(name, value),
            None => watched.env_remove(name),
        };
    }
    run(watched.env(STEPS, &steps)).ok();
    let folder = format!("{}/", image.place().to_str().unwrap());
    let text = std::fs::read_to_string(&trace).unwrap();
    assert_ne!(std::fs::read_to_string(&steps).unwrap(), "", "the program lists its steps");
    let faults = unannounced(&text, text_of(&steps), &[MOUNTED, MOUNTED_INSIDE, &folder]);
    assert!(faults.is_empty(), "{}: no step::change before:\n{}", operation.name, faults.join("\n"));
}

fn text_of(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_change_of_the_disk_is_a_step() {
    let trees = Trees::new();
    for operation in ALL.iter().filter(|operation| operation.disk == Disk::Volume && !operation.is_push()) {
        watch(operation, &trees);
    }
}

#[test]
fn a_change_that_is_no_step_is_found() {
    let announced = "write(9</t/steps>, \"1 create /x\\n\", 12) = 12\n";
    let create = "openat2(5</run/baserock/0/systems>, \"x\", {flags=O_RDWR|O_CREAT|O_EXCL, mode=0644}, 24) = 6</run/baserock/0/systems/x>\n";
    let write = "write(6</run/baserock/0/systems/x>, \"one\", 3) = 3\n";
    let look =
        "openat2(5</run/baserock/0/systems>, \"x\", {flags=O_RDONLY}, 24) = 7</run/baserock/0/systems/x>\n";
    let owner = "fchownat(AT_FDCWD, \"/proc/12/fd/5/x\", 0, 0, AT_SYMLINK_NOFOLLOW) = 0\n";
    let by_path = "unlink(\"/run/baserock/0/systems/x\") = 0\n";
    let elsewhere = "mkdir(\"/run/baserock/0\", 0777) = 0\nwrite(1</dev/null>, \"x\", 1) = 1\n";
    let sound = [announced, create, look, elsewhere, announced, write, write, announced, owner].concat();
    let count = |trace: &str| unannounced(trace, "/t/steps", &[MOUNTED]).len();
    assert_eq!(count(&sound), 0);
    for odd in [create, write, owner, by_path, "ioctl(5</run/baserock/0/systems>, BTRFS_IOC_SYNC) = 0\n"] {
        assert_eq!(count(&[announced, create, announced, look, owner, odd].concat()), 1, "{odd}");
        assert_eq!(count(&[sound.as_str(), odd].concat()), 1, "{odd}");
    }
}
