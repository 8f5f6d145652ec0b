//! What the packages are called, what they need, and what they are.

/// The package for machines that have versions.
pub const BASEROCK: &str = "baserock";
/// The package for machines that make images and pushes.
pub const DEPLOY: &str = "baserock-deploy";
/// The version of the packages.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
/// Who maintains them.
pub const MAINTAINER: &str = "The Baserock developers <baserock@packages.invalid>";

/// A package.
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Lines about other packages; `{version}` is the version of this one.
    relations: &'static [&'static str],
    /// Its description: a line, and paragraphs.
    description: (&'static str, &'static [&'static str]),
    /// What is not as Debian has it, and why.
    pub overrides: &'static [(&'static str, &'static str)],
}

/// All packages.
pub const PACKAGES: [Package; 2] = [
    Package {
        name: BASEROCK,
        relations: &["Suggests: extlinux, grub-common, uidmap"],
        description: (
            "atomic upgrades and rollback of a whole system on btrfs",
            &[
                "A machine keeps every version of its operating system side by side on one btrfs volume, each complete, each bootable. An \
                 upgrade builds a new version beside the others, merges the administrator's /etc into it, and moves one pointer. Rolling \
                 back moves the pointer back.",
                "This package has what such a machine needs: system-version-manager, baserock-system-config-sync, the units of systemd \
                 for trials and late changes of /etc, and manage-baserock and enter-baserock for chroots.",
            ],
        ),
        overrides: &[(STATIC, STATIC_TAGS[0]), (STATIC, STATIC_TAGS[1])],
    },
    Package {
        name: DEPLOY,
        relations: &[
            "Depends: baserock (= {version}), btrfs-progs, openssh-client",
            "Recommends: dosfstools, extlinux, git, mmdebstrap, syslinux-common",
            "Suggests: grub-common, grub-efi-amd64-bin, grub-efi-arm64-bin, u-boot-tools",
        ],
        description: (
            "make and push versions of a whole system on btrfs",
            &[
                "Root filesystem trees become bootable disk images, or new versions of running machines. This package has morph, which \
               deploys what cluster files list, and the extensions that do it: rawdisk.write, ssh-rsync.write and others, which also \
               run by themselves. Machines with x86-64 and ARM64 can be pushed to.",
            ],
        ),
        overrides: &[
            (STATIC, STATIC_TAGS[0]),
            (STATIC, STATIC_TAGS[1]),
            ("# It is a translation of libyaml into Rust, which Debian does not have.", "embedded-library"),
            ("# They run on machines of that architecture.", "binary-from-other-architecture"),
        ],
    },
];

/// What is said of static programs that can be loaded anywhere, and of others.
const STATIC_TAGS: [&str; 2] = ["shared-library-lacks-prerequisites", "statically-linked-binary"];
const STATIC: &str =
    "# They are static programs, which run in any root filesystem, whatever libraries it has.";
/// The length of lines in a description.
const WIDTH: usize = 78;

impl Package {
    /// The control file; `size` is in KiB.
    pub fn control(&self, architecture: &str, size: u64) -> String {
        let mut lines = vec![
            format!("Package: {}", self.name),
            format!("Version: {VERSION}"),
            format!("Architecture: {architecture}"),
            format!("Maintainer: {MAINTAINER}"),
            format!("Installed-Size: {size}"),
        ];
        lines.extend(self.relations.iter().map(|line| line.replace("{version}", VERSION)));
        lines.push("Section: admin".to_owned());
        lines.push("Priority: optional".to_owned());
        let (first, paragraphs) = self.description;
        lines.push(format!("Description: {first}"));
        for (number, paragraph) in paragraphs.iter().enumerate() {
            if number > 0 {
                lines.push(" .".to_owned());
            }
            lines.extend(filled(paragraph));
        }
        lines.join("\n") + "\n"
    }
}

/// A paragraph in lines that begin with a space.
fn filled(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!(" {word}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_file_is_debians() {
        let text = PACKAGES[1].control("amd64", 7);
        let head = format!("Package: baserock-deploy\nVersion: {VERSION}\nArchitecture: amd64\n");
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains(&format!("\nDepends: baserock (= {VERSION}), btrfs-progs")), "{text}");
        assert!(
            text.lines().all(|line| line.len() <= WIDTH || line.starts_with(char::is_uppercase)),
            "{text}"
        );
    }
}
