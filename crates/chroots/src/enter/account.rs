//! Accounts, as the files of the chroot define them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Gid, Uid, access, setgroups, setresgid, setresuid};
use system::dir::MOST_TEXT;
use system::error::{Error, OrCannot, Result, if_exists};
use system::file;
use system::namespace::Privilege;
use system::step::change;

use crate::refusal::Refusal;

/// The shell of an account without one.
const SHELL: &str = "/bin/sh";

/// An account of the system that was entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: OsString,
    /// Its home.
    pub home: PathBuf,
    /// Its shell.
    pub shell: PathBuf,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Account {
    /// The account of this name or number; `None` means root. If the system has no account for root, a usual one is taken.
    pub fn find(user: Option<&str>) -> Result<Self> {
        let passwd = read("/etc/passwd")?;
        let group = read("/etc/group")?;
        match (Self::look_up(&passwd, &group, user.unwrap_or("root")), user) {
            (Some(account), _) => Ok(account),
            (None, None) => Ok(Account {
                name: "root".into(),
                home: "/root".into(),
                shell: SHELL.into(),
                uid: 0,
                gid: 0,
                groups: Vec::new(),
            }),
            (None, Some(user)) => {
                Err(Error::refused(format!("there is no user {user} in the chroot's /etc/passwd")))
            }
        }
    }

    fn look_up(passwd: &[u8], group: &[u8], user: &str) -> Option<Self> {
        let text = |field: &[u8]| OsString::from_vec(field.to_vec());
        let or = |field: &[u8], default: &str| {
            PathBuf::from(if field.is_empty() { default.into() } else { text(field) })
        };
        let fields = lines(passwd)
            .find(|fields| fields.len() >= 7 && [fields[0], fields[2]].contains(&user.as_bytes()))?;
        let name = fields[0];
        let member = |list: &[u8]| list.split(|&b| b == b',').any(|member| member == name);
        let groups = lines(group).filter(|fields| fields.len() >= 4 && member(fields[3]));
        Some(Account {
            name: text(name),
            home: or(fields[5], "/"),
            shell: or(fields[6], SHELL),
            uid: number(fields[2])?,
            gid: number(fields[3])?,
            groups: groups.filter_map(|fields| number(fields[2])).collect(),
        })
    }

    /// Changes the ids of this process to those of the account.
    pub fn assume(&self, privilege: Privilege) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        if privilege == Privilege::OneId {
            // There are no other ids, and the kernel does not allow changes of groups then.
            return if self.uid == 0 { Ok(()) } else { Err(self.unknown()) };
        }
        let groups: Vec<Gid> =
            std::iter::once(self.gid).chain(self.groups.iter().copied()).map(Gid::from_raw).collect();
        let become_it = || {
            setgroups(&groups)?;
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)
        };
        match become_it() {
            Err(nix::Error::EINVAL) => Err(self.unknown()),
            other => other.or_cannot("become user", &self.name),
        }
    }

    /// Makes the account the owner of the opened terminal.
    pub fn own(&self, terminal: &fs::File) -> Result<()> {
        change("change owner of", "the terminal", || fchown(terminal, Some(self.uid), None))
    }

    /// Fails if the account cannot even pass the top folder.
    pub fn require_way(&self) -> Result<()> {
        if access("/", AccessFlags::X_OK).is_ok() {
            return Ok(());
        }
        let mode = fs::metadata("/").or_cannot("examine", "/")?.permissions().mode() & 0o7777;
        Err(Refusal::NoWay { user: self.name.clone(), mode }.into())
    }

    fn unknown(&self) -> Error {
        Error::refused(format!(
            "cannot become {}: its id {} is not among yours; have root add ranges for you to /etc/subuid and /etc/subgid",
            self.name.display(),
            self.uid
        ))
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    file.split(|&b| b == b'\n').map(|line| line.split(|&b| b == b':').collect())
}

/// A file of accounts. A system without it has no accounts.
fn read(path: &str) -> Result<Vec<u8>> {
    Ok(if_exists(file::read(Path::new(path), MOST_TEXT))?.unwrap_or_default())
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\njoe:x:1000:100::/home/joe:\nbad:x:y:0:::\n";
    const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:ann,joe\nother:x:11:joey\n";

    #[test]
    fn accounts_are_found_by_name_and_number() {
        let root = Account::look_up(PASSWD, GROUP, "root").unwrap();
        assert_eq!((root.shell, root.home), ("/bin/bash".into(), "/root".into()));
        let joe = Account::look_up(PASSWD, GROUP, "1000").unwrap();
        assert_eq!((joe.name.to_str(), joe.shell, joe.groups), (Some("joe"), "/bin/sh".into(), vec![10]));
        assert_eq!(Account::look_up(PASSWD, GROUP, "nobody"), None);
        assert_eq!(Account::look_up(PASSWD, GROUP, "bad"), None);
    }
}
