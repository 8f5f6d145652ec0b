//! What a system makes for itself when it first boots.

use std::path::Path;

use baserock::rootfs::init::has_systemd;
use nix::libc;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result, if_exists};
use system::resolve::Links;

/// The folders of systemd's units. The administrator's is the first.
const UNITS: [&str; 3] = ["etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// The units of sshd by the names that distributions give them.
const SSHD: [&str; 4] = ["ssh.service", "sshd.service", "ssh@.service", "sshd@.service"];
/// The folder of scripts that start programs where systemd is not.
const SCRIPTS: &str = "etc/init.d";
/// The program that makes keys, and part of the names of all units that run it for sshd: `sshd-keygen.target`, `sshdgenkeys.service`.
const MAKERS: [&str; 3] = ["ssh-keygen", "sshd-keygen", "sshdgenkeys"];

/// Whether the system makes ssh host keys that are missing: before sshd starts, or by an enabled unit of its own.
pub fn makes_host_keys(root: &Dir) -> Result<bool> {
    if !has_systemd(root)? {
        return any_below(root, SCRIPTS, &|name| name.contains("ssh"));
    }
    for folder in UNITS {
        let Some(units) = if_exists(root.dir_with(folder, Links::InRoot))? else { continue };
        for unit in SSHD {
            let drop_ins = Path::new(folder).join(format!("{unit}.d"));
            if mentions(&units, unit)? || any_below(root, drop_ins, &|_| true)? {
                return Ok(true);
            }
        }
        for entry in units.entries()? {
            let name = entry.name.to_string_lossy();
            let enables = name.ends_with(".wants") || name.ends_with(".requires");
            if enables && any_below(root, Path::new(folder).join(&*name), &|unit| unit.ends_with(".service"))?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a file in the folder, of a name that counts, mentions a program that makes keys.
fn any_below(root: &Dir, folder: impl AsRef<Path>, counts: &dyn Fn(&str) -> bool) -> Result<bool> {
    let folder = folder.as_ref();
    let Some(dir) = if_exists(root.dir_with(folder, Links::InRoot))? else { return Ok(false) };
    for entry in dir.entries()? {
        let name = entry.name.to_string_lossy();
        if counts(&name) && mentions(root, folder.join(&entry.name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the file mentions a program that makes keys. Links lead to where they lead on the machine.
fn mentions(dir: &Dir, path: impl AsRef<Path>) -> Result<bool> {
    let bytes = match dir.read_with(path, Links::InRoot, MOST_TEXT) {
        Ok(bytes) => bytes,
        // A link to nothing, or to a device, forbids a unit.
        Err(Error::Malformed { .. }) => return Ok(false),
        Err(error) if matches!(error.os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    Ok(lines.into_iter().any(|line| MAKERS.iter().any(|maker| line.contains(maker))))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn makes(files: &[(&str, &str)], links: &[(&str, &str)]) -> bool {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        for (name, text) in files {
            fs::write(path(name), text).unwrap();
        }
        for (name, target) in links {
            symlink(target, path(name)).unwrap();
        }
        makes_host_keys(&Dir::open(place.path()).unwrap()).unwrap()
    }

    #[test]
    fn systems_that_make_their_keys() {
        let systemd = ("usr/lib/systemd/systemd", "");
        let sshd = "usr/lib/systemd/system/sshd.service";
        let regenerate =
            ("usr/lib/systemd/system/regenerate.service", "[Service]\nExecStart=/usr/bin/ssh-keygen -A\n");
        let wants = "etc/systemd/system/multi-user.target.wants/regenerate.service";
        for (files, links, expected) in [
            (&[systemd, (sshd, "[Unit]\nWants=sshd-keygen.target\n")][..], &[][..], true),
            (&[systemd, (sshd, "[Unit]\nWants=sshdgenkeys.service\n")], &[], true),
            (&[systemd, (sshd, "[Service]\nExecStart=/usr/sbin/sshd -D\n# ssh-keygen\n")], &[], false),
            (
                &[
                    systemd,
                    ("etc/systemd/system/ssh.service.d/keys.conf", "[Service]\nExecStartPre=ssh-keygen -A\n"),
                ],
                &[],
                true,
            ),
            (&[systemd, regenerate], &[], false),
            (&[systemd, regenerate], &[(wants, "/usr/lib/systemd/system/regenerate.service")], true),
            (&[systemd, ("etc/init.d/sshd", "ssh-keygen -A\n")], &[], false),
            (&[("etc/init.d/S50sshd", "ssh-keygen -A\n")], &[], true),
            (&[("etc/init.d/S50sshd", "sshd\n")], &[], false),
            (&[], &[], false),
        ] {
            assert_eq!(makes(files, links), expected, "{files:?} {links:?}");
        }
    }
}
