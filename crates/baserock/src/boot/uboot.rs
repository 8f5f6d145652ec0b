//! The script of U-Boot for boards without UEFI. It never changes: the menus are in `/boot`.

use super::grub;

/// The name of the script, at the top of its partition.
pub const SCRIPT: &str = "boot.scr";
/// Stand for the volume and for the number of the partition of `/boot` in the text of the script.
const VOLUME: &str = "@VOLUME@";
const BOOT: &str = "@BOOT@";
/// Bytes before the text in the file: the head of an image (64), and the length of its one part (8).
const HEAD: usize = 72;

/// The text of the script for the volume of this UUID, whose `/boot` is the partition of this number.
pub fn script(volume: &str, boot: u32) -> String {
    include_str!("uboot.cmd").replace(VOLUME, volume).replace(BOOT, &format!("{boot:x}"))
}

/// The UUID of the volume whose menu the script in this file reads; `None` if it is another script.
pub fn volume_of(image: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(image.get(HEAD..)?).ok()?;
    grub::volume_of(text).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_names_its_volume_and_the_partition_of_boot() {
        let text = script("0-1", 12);
        assert!(text.contains("setenv boot \"${devtype} ${devnum}:c\"") && !text.contains('@'), "{text}");
        assert_eq!(volume_of(&[&[0; HEAD], text.as_bytes()].concat()).as_deref(), Some("0-1"));
        assert_eq!(volume_of(b"short"), None);
        assert_eq!(volume_of(&[b'x'; 200]), None);
    }
}
