//! User namespaces: an ordinary user becomes root over the user's own files.

use std::fs;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, User, getegid, geteuid, setgroups, setresgid, setresuid};

use crate::error::{Error, OrCannot, Result};
use crate::process::{self, Program, Running};

/// The extent to which this process is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// Root of the machine.
    Root,
    /// Root of a user namespace with many ids: those in `/etc/subuid` and `/etc/subgid`.
    Ranges,
    /// Root of a user namespace without any other id.
    OneId,
}

/// The settings that can forbid user namespaces: the name, the value that forbids them, and a value that allows them.
const FORBIDDING: [(&str, &str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "10000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Makes this process root. Root stays root. Another user enters a new user namespace and is root in it. The process must have only one
/// thread.
pub fn become_root() -> Result<Privilege> {
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() {
        return Ok(Privilege::Root);
    }
    let mapper = start_mapper(uid, gid)?;
    // Both namespaces at once: if either is forbidden, the user learns it now and not half-way.
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|error| forbidden(error.into()))?;
    let Some(mapper) = mapper else {
        map_one(uid, gid).map_err(forbidden)?;
        return Ok(Privilege::OneId);
    };
    mapper.finish()?;
    // The user's other groups have no number in the namespace. Without this every process would keep them.
    setgroups(&[]).or_cannot("leave the groups of", "this process")?;
    let (root, wheel) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(wheel, wheel, wheel).or_cannot("become root in", "the user namespace")?;
    setresuid(root, root, root).or_cannot("become root in", "the user namespace")?;
    Ok(Privilege::Ranges)
}

/// Whether this process may do everything on the machine: it is no root of a user namespace or of a container that withholds that. If
/// `/proc` does not tell, the answer is yes.
pub fn is_machine_root() -> bool {
    const SYS_ADMIN: u32 = 21;
    let read = |path| fs::read_to_string(path).ok();
    let all_ids = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    let may = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(line.trim(), 16).ok().map(|set| set >> SYS_ADMIN & 1 == 1)
    };
    read("/proc/self/uid_map").is_none_or(all_ids)
        && read("/proc/self/status").and_then(may).unwrap_or(geteuid().is_root())
}

fn map_one(uid: Uid, gid: Gid) -> io::Result<()> {
    // An ordinary user may map a group only after giving up setgroups.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// Starts the program that gives this process its ranges. It must run outside the namespace, so it is started first and waits for its
/// input until the namespace exists. `None` if the user has no ranges, or if the tools for mapping them are not installed.
fn start_mapper(uid: Uid, gid: Gid) -> Result<Option<Running>> {
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let (Some(users), Some(groups)) = (range("/etc/subuid", &name, uid), range("/etc/subgid", &name, uid))
    else {
        return Ok(None);
    };
    if ["newuidmap", "newgidmap"].into_iter().any(|program| process::find(program).is_none()) {
        return Ok(None);
    }
    let script = r#"read -r _ && newuidmap "$1" 0 "$2" 1 1 "$3" "$4" && newgidmap "$1" 0 "$5" 1 1 "$6" "$7""#;
    let numbers = [std::process::id(), uid.as_raw(), users.0, users.1, gid.as_raw(), groups.0, groups.1];
    let program = Program::new("sh").args(["-c", script, "newuidmap"]).args(numbers.map(|n| n.to_string()));
    program.input("go\n").start().map(Some)
}

/// The user's first range in a file such as `/etc/subuid`: `NAME-OR-UID:START:COUNT`.
fn range(file: &str, name: &str, uid: Uid) -> Option<(u32, u32)> {
    parse_range(&fs::read_to_string(file).ok()?, name, &uid.to_string())
}

fn parse_range(text: &str, name: &str, uid: &str) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let (owner, numbers) = line.trim().split_once(':')?;
        let (start, count) = numbers.split_once(':')?;
        let range = (start.parse().ok()?, count.parse().ok().filter(|&count: &u32| count > 0)?);
        (owner == name || owner == uid).then_some(range)
    })
}

/// The error that tells why there is no user namespace.
fn forbidden(error: io::Error) -> Error {
    let setting = |name: &str| {
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let guilty = FORBIDDING.into_iter().find(|(name, value, _)| setting(name) == *value);
    match guilty {
        Some((setting, value, wanted)) => Error::NoUserNamespaces { setting, value, wanted },
        None => Error::Io {
            action: "make a user namespace for".into(),
            path: "this user (are you in a container?)".into(),
            cause: error,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "other:1:2\njoe:100000:65536\n1001:200000:5\nbad:x:y\nnone:5:0\n";
        assert_eq!(parse_range(text, "joe", "7"), Some((100_000, 65536)));
        assert_eq!(parse_range(text, "ann", "1001"), Some((200_000, 5)));
        for name in ["ann", "bad", "none"] {
            assert_eq!(parse_range(text, name, "7"), None);
        }
    }
}
