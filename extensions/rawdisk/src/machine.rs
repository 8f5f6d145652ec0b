//! The identity of the machine that a new disk is for: its id and its host keys. A tree has those of the machine that it was built for, if
//! any, and two machines must not have the same. The version that boots gets its own; `orig` stays as built.

use std::path::Path;

use baserock::label::Label;
use baserock::layout::{RUN, STATE};
use baserock::rootfs::init::has_systemd;
use baserock::volume::Volume;
use system::atomic;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Result, if_exists};
use system::observer::Observer;
use system::resolve::Links;

use crate::host_keys::HostKeys;
use crate::identity::Identity;

/// Where the identity is.
const ETC: &str = "etc";
/// The id of a machine, in `/etc`, and the folder of the shared state in which dbus may have a copy.
const MACHINE_ID: &str = "machine-id";
const DBUS: &str = "var/lib/dbus";
/// The digits of an id. Anything shorter says that there is none yet.
const DIGITS: usize = 32;
/// Files in the shared state that must not be the same on two machines, and that are made when they are missing.
const SEEDS: [&str; 2] = ["var/lib/systemd/random-seed", "var/lib/urandom/random-seed"];

/// Gives the version an identity of its own.
pub fn renew(
    volume: &Volume,
    label: &Label,
    identity: &Identity,
    keys: HostKeys<'_>,
    observer: &dyn Observer,
) -> Result<()> {
    let run = volume.version_dir(label)?.dir(RUN)?;
    let state = volume.top().dir_if_exists(STATE)?;
    if let Some(state) = &state {
        for seed in SEEDS.iter().map(Path::new) {
            remove(state, seed)?;
        }
    }
    let Some(etc) = if_exists(run.dir_with(ETC, Links::InRoot))? else { return Ok(()) };
    renew_id(&run, &etc, state.as_ref(), identity)?;
    keys.renew(&run, identity, observer)?;
    if let Some(dropbear) = if_exists(etc.dir_with("dropbear", Links::Beneath))?
        && dropbear.entries()?.iter().any(|entry| entry.name.to_string_lossy().ends_with("_host_key"))
    {
        observer.warn("every machine made from this tree has the same host keys, in /etc/dropbear");
    }
    Ok(())
}

/// systemd makes an id when it finds the file empty, and does not take the boot for a first one, which would undo what is enabled and what is
/// not. Without systemd nobody may make one.
fn renew_id(run: &Dir, etc: &Dir, state: Option<&Dir>, identity: &Identity) -> Result<()> {
    let id = if has_systemd(run)? {
        String::new()
    } else {
        format!("{}\n", identity.uuid(MACHINE_ID)?.to_string().replace('-', ""))
    };
    if has_id(etc)? {
        atomic::rewrite(etc, MACHINE_ID, 0o444, id.as_bytes())?;
    }
    let Some(state) = state else { return Ok(()) };
    let dbus = Path::new(DBUS);
    if state.stat_beneath(&dbus.join(MACHINE_ID))?.is_some() {
        let dbus = state.dir(dbus)?;
        match has_id(&dbus)? {
            true if id.is_empty() => dbus.remove_file(MACHINE_ID)?,
            true => atomic::rewrite(&dbus, MACHINE_ID, 0o444, id.as_bytes())?,
            false => {}
        }
    }
    Ok(())
}

fn has_id(folder: &Dir) -> Result<bool> {
    if !folder.is_file(MACHINE_ID)? {
        return Ok(false);
    }
    let text = folder.read(MACHINE_ID, MOST_TEXT)?;
    let text = text.trim_ascii();
    Ok(text.len() == DIGITS && text.iter().all(u8::is_ascii_hexdigit))
}

fn remove(dir: &Dir, path: &Path) -> Result<()> {
    if dir.stat_beneath(path)?.is_some() { dir.remove_file(path) } else { Ok(()) }
}
