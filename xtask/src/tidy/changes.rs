//! Every change of the disk is one call of `step::change`, so that tests can let each of them fail.

use super::house::House;
use super::names::Name;

/// The libraries whose functions change the disk.
const LIBRARIES: [&str; 4] = ["std", "nix", "rustix", "libc"];

/// Their functions that do.
const FUNCTIONS: [&str; 45] = [
    "DirBuilder",
    "chown",
    "copy",
    "copy_file_range",
    "create",
    "create_dir",
    "create_new",
    "create_dir_all",
    "fallocate",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fremovexattr",
    "fsetxattr",
    "fsync",
    "ftruncate",
    "futimens",
    "hard_link",
    "ioctl_ficlone",
    "lchown",
    "linkat",
    "lremovexattr",
    "lsetxattr",
    "mkdir",
    "mkdirat",
    "mkfifo",
    "mknod",
    "mknodat",
    "remove_dir",
    "remove_dir_all",
    "remove_file",
    "rename",
    "renameat",
    "renameat_with",
    "set_permissions",
    "setxattr",
    "symlink",
    "symlinkat",
    "syncfs",
    "truncate",
    "unlink",
    "unlinkat",
    "utimensat",
    "write",
];

/// Their methods that do.
const METHODS: [&str; 7] = [
    ".create(true)",
    ".set_len",
    ".set_permissions",
    ".set_modified",
    ".sync_all",
    ".sync_data",
    ".write_all_at",
];

/// Files that change nothing that lasts.
const EXCEPT: [&str; 5] = [
    // The list of steps that tests ask for.
    "crates/system/src/step/fail_point.rs",
    // The maps of a user namespace, in /proc.
    "crates/system/src/namespace.rs",
    // The folder that private mounts are put on.
    "crates/system/src/mount.rs",
    // Folders and device nodes of a private mount.
    "crates/chroots/src/enter/mounts.rs",
    "crates/chroots/src/enter/devices.rs",
];

/// Names each change that is no call of `change`. Programs have none at all: they leave the disk to the library.
pub fn check(house: &House) -> Vec<String> {
    let mut faults = Vec::new();
    for module in &house.modules {
        let is_program = module.file.starts_with("bins/");
        let is_installed = ["crates/", "bins/", "extensions/"].iter().any(|top| module.file.starts_with(top));
        if !is_installed || EXCEPT.contains(&module.file.as_str()) {
            continue;
        }
        for name in module.names.used.iter().filter(|name| is_write(name)) {
            let what = format!("{}:{}: {} changes the disk", module.file, name.line, name.path.join("::"));
            if is_program {
                faults.push(format!("{what}, which programs leave to the library"));
            } else if !name.in_change {
                faults.push(format!("{what} outside of step::change"));
            }
        }
    }
    faults
}

fn is_write(name: &Name) -> bool {
    let (Some(first), Some(last)) = (name.path.first(), name.path.last()) else { return false };
    let has = |list: &[&str], word: &str| list.contains(&word);
    let is_function = has(&LIBRARIES, first) && name.path.iter().any(|part| has(&FUNCTIONS, part));
    !name.is_import && (is_function || has(&METHODS, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(place: &str, text: &str) -> Vec<String> {
        let mut house = House::of(&[("a", text)]);
        house.modules[0].file = place.to_owned();
        check(&house)
    }

    #[test]
    fn changes_by_themselves() {
        let text = "use nix::unistd::unlinkat; use std::fs;\nfn f() { unlinkat(a, b); fs::read(c); file.set_len(1) }";
        let expected = [
            "crates/a.rs:2: nix::unistd::unlinkat changes the disk outside of step::change",
            "crates/a.rs:2: .set_len changes the disk outside of step::change",
        ];
        assert_eq!(faults("crates/a.rs", text), expected);
        assert_eq!(faults("crates/system/src/mount.rs", text), [""; 0]);
    }

    #[test]
    fn changes_that_are_steps() {
        let text = "use std::fs; fn f() { change(\"remove\", a, || fs::remove_file(a)); copy(a, b) }";
        assert_eq!(faults("crates/a.rs", text), [""; 0]);
        let expected =
            ["bins/a.rs:1: std::fs::remove_file changes the disk, which programs leave to the library"];
        assert_eq!(faults("bins/a.rs", text), expected);
    }
}
