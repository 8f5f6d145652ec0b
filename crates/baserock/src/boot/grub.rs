//! The script of GRUB on an EFI system partition. It never changes: the menus are on the volume.

/// The name of the script, beside the loader.
pub const SCRIPT: &str = "grub.cfg";
/// The name of the environment block, beside the loader.
pub const ENVIRONMENT: &str = "grubenv";
/// The line that names the volume.
const MARK: &str = "# Reads the boot menu of the volume ";
/// Stands for the volume in the text of the script.
const PLACEHOLDER: &str = "@VOLUME@";
/// What the loader has to know: partitions and filesystems, the environment, the menu, kernels, and what helps at its prompt.
pub const MODULES: [&str; 24] = [
    "part_gpt",
    "part_msdos",
    "fat",
    "btrfs",
    "loadenv",
    "normal",
    "linux",
    "search",
    "search_fs_uuid",
    "test",
    "syslinuxcfg",
    "configfile",
    "echo",
    "sleep",
    "true",
    "minicmd",
    "reboot",
    "halt",
    "ls",
    "cat",
    "help",
    "terminal",
    "serial",
    "gzio",
];

/// The script for the volume of this UUID.
pub fn script(volume: &str) -> String {
    include_str!("grub.cfg").replace(PLACEHOLDER, volume)
}

/// The UUID of the volume whose menu the script reads; `None` if it is another script.
pub fn volume_of(script: &str) -> Option<&str> {
    let (uuid, _) = script.strip_prefix(MARK)?.split_once('.')?;
    Some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{MENU, MENU_DIR, TRIAL_MENU};

    #[test]
    fn the_script_names_its_volume_and_what_it_reads() {
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let text = script(uuid);
        assert_eq!(volume_of(&text), Some(uuid));
        assert_eq!(volume_of("set root=(hd0)\n"), None);
        let count =
            |word: &str| text.lines().filter(|line| line.trim().split(' ').next() == Some(word)).count();
        assert_eq!((count("if"), count("fi")), (4, 4), "{text}");
        for place in [ENVIRONMENT, &format!("{MENU_DIR}/{MENU}"), &format!("{MENU_DIR}/{TRIAL_MENU}")] {
            assert!(text.contains(&format!("/{place}")), "{place}");
        }
        assert!(!text.contains('@'), "{text}");
    }
}
