//! Sets the metadata of members, as far as the filesystem and the user's privileges allow.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use system::error::{Error, Result};
use system::inode::{Inode, Refused};
use system::metadata::{CAPABILITY, Flags, Metadata, Times};

use crate::member;

/// The owners of the new files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// As the archive says.
    AsArchived,
    /// All files belong to the user who unpacks, because no other id is available.
    Mine,
}

/// Access control lists for the kernel: the name of the attribute, and its value.
pub type Lists = Vec<(&'static [u8], Vec<u8>)>;

/// Applies metadata, and counts what could not be applied.
pub struct Applier {
    owners: Owners,
    /// Attributes that the filesystem or a lack of privilege did not allow, by name, with the number of files.
    pub refused: BTreeMap<String, u64>,
}

impl Applier {
    /// An applier that has not refused anything yet.
    pub fn new(owners: Owners) -> Self {
        Applier { owners, refused: BTreeMap::new() }
    }

    /// Sets all metadata of the file, and these lists.
    pub fn apply(&mut self, inode: &Inode<'_>, member: &member::Metadata, lists: Lists) -> Result<()> {
        let (uid, gid) = match self.owners {
            Owners::AsArchived => (member.uid, member.gid),
            Owners::Mine => inode.stat().map(|stat| (stat.st_uid, stat.st_gid))?,
        };
        let mut attributes = member.attributes.clone();
        attributes.extend(lists.into_iter().map(|(name, list)| (name.to_vec(), list)));
        let metadata = Metadata { mode: member.mode, uid, gid, attributes, flags: Flags::default() };
        let times = Times { accessed: None, modified: member.mtime };
        inode.give_with(&metadata, times, &mut |refused, error| match refused {
            Refused::Owner(uid, gid) => Err(out_of_range(inode, uid.max(gid), error)),
            Refused::Attribute(name) => self.count(name, error),
        })
    }

    /// Sets one more attribute.
    pub fn attribute(&mut self, inode: &Inode<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        let name =
            CString::new(name).map_err(|_| Error::malformed(inode.shown(), "an attribute without a name"))?;
        inode.set_attribute(&name, value).or_else(|error| self.count(&name, error))
    }

    /// Counts an attribute that cannot exist here. Any other failure is an error.
    fn count(&mut self, name: &CStr, error: Error) -> Result<()> {
        let is_refused = match error.os_error() {
            Some(libc::EOPNOTSUPP) => true,
            // In a user namespace some attributes belong to the host's root, and some ids do not exist.
            Some(libc::EPERM | libc::EINVAL) => self.owners == Owners::Mine || is_privileged(name.to_bytes()),
            _ => false,
        };
        if !is_refused {
            return Err(error);
        }
        *self.refused.entry(name.to_string_lossy().into_owned()).or_default() += 1;
        Ok(())
    }
}

fn is_privileged(name: &[u8]) -> bool {
    name.starts_with(b"trusted.") || (name.starts_with(b"security.") && name != CAPABILITY)
}

/// The error for an id that cannot be given, because a user namespace has only a range of ids.
fn out_of_range(inode: &Inode<'_>, id: u32, error: Error) -> Error {
    if error.os_error() != Some(libc::EINVAL) {
        return error;
    }
    Error::refused(format!(
        "cannot give {} to {id}: the range of ids in /etc/subuid and /etc/subgid is too small; it has to reach {id}",
        inode.shown().display()
    ))
}
