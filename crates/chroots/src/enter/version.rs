//! The shared state of installed versions, according to their fstab.

use std::path::Path;

use baserock::fstab::{Fstab, Line};
use baserock::volume::Volume;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Result, if_exists};

use super::State;

/// The directories that the fstab in `run` mounts from the volume itself, the version's package databases among them. Lines for other
/// filesystems, and for subvolumes that do not exist, are left to the booted system.
pub fn state_of(volume: &Volume, run: &Dir) -> Result<Vec<State>> {
    let fstab = Fstab::parse(&run.read_if_exists("etc/fstab", MOST_TEXT)?.unwrap_or_default());
    let uuid = volume.uuid().map(|uuid| format!("UUID={uuid}"));
    let mut found = Vec::new();
    for line in fstab.lines() {
        let Some(target) = &line.target else { continue };
        let dir = match (subvolume(line, uuid.as_deref()), line.kept_database()) {
            (Some(subvolume), _) => if_exists(volume.top().dir(subvolume))?,
            (None, Some(kept)) => if_exists(run.dir(kept))?,
            (None, None) => None,
        };
        let Some(dir) = dir else { continue };
        // The place of a directory that is a link in the tree is in a directory that is mounted before.
        let is_there = run.has(target.strip_prefix("/").unwrap_or(target))?
            || found.iter().any(|state: &State| target.starts_with(&state.target));
        if target == Path::new("/") || !is_there {
            continue;
        }
        found.push(State { dir, target: target.clone() });
    }
    Ok(found)
}

/// The subvolume that a line mounts, relative to the volume's top level; `None` if the line is for another volume than that with this UUID.
fn subvolume<'l>(line: &'l Line, uuid: Option<&str>) -> Option<&'l str> {
    let text = std::str::from_utf8(&line.text).ok()?;
    let fields: Vec<&str> = text.split_whitespace().collect();
    let (device, kind, options) = (*fields.first()?, *fields.get(2)?, *fields.get(3)?);
    // The original tools wrote the kernel's name of the device. Only another UUID surely means another filesystem.
    let other = device.starts_with("UUID=") && uuid.is_some_and(|uuid| uuid != device);
    let named = options.split(',').find_map(|option| option.strip_prefix("subvol="))?;
    (kind == "btrfs" && !other).then(|| named.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subvolumes_of_the_volume_are_found() {
        for (line, found) in [
            ("UUID=a /var btrfs subvol=/state/var,defaults,rw 0 2", Some("state/var")),
            ("/dev/sda /home btrfs defaults,subvol=state/home 0 2", Some("state/home")),
            ("UUID=b /data btrfs subvol=/state/var 0 2", None),
            ("UUID=a / btrfs defaults 0 1", None),
            ("tmpfs /tmp tmpfs subvol=x 0 0", None),
        ] {
            assert_eq!(subvolume(&Line::parse(line.as_bytes()), Some("UUID=a")), found, "{line}");
        }
    }
}
