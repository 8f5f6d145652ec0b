//! The kernel's command line.

use system::error::Result;

use crate::label::ExistingLabel;
use crate::refusal::Refusal;

/// The longest command line that x86 kernels take, in bytes.
const MAX_LENGTH: usize = 2047;

/// The beginning of every command line.
const FIXED: [&str; 3] = ["rw", "init=/sbin/init", "rootfstype=btrfs"];

/// The command line of a version. Its `run` becomes the root filesystem on the device `root` (`UUID=…`, `PARTUUID=…`, `/dev/sda`).
/// `arguments` come last.
pub fn compose(label: &ExistingLabel, root: &str, arguments: &str) -> Result<String> {
    let fixed = FIXED.join(" ");
    let line = format!("{fixed} rootflags=subvol=systems/{label}/run root={root} {arguments}");
    let line = line.trim_end().to_owned();
    check(&line)?;
    Ok(line)
}

/// Refuses a command line that a boot loader or the kernel would cut or misread.
fn check(line: &str) -> Result<()> {
    if line.contains(['\n', '\r', '\0']) {
        return Err(Refusal::CommandLineBroken.into());
    }
    if line.len() > MAX_LENGTH {
        return Err(Refusal::CommandLineTooLong { length: line.len(), most: MAX_LENGTH }.into());
    }
    Ok(())
}

/// Splits a command line into the root device and the arguments that [`compose`] would not write itself.
pub fn take_apart(line: &str) -> (Option<String>, String) {
    let mut root = None;
    let mut arguments = Vec::new();
    for word in line.split_whitespace() {
        if let Some(device) = word.strip_prefix("root=") {
            root = Some(device.to_owned());
        } else if !FIXED.contains(&word) && !word.starts_with("rootflags=subvol=systems/") {
            arguments.push(word);
        }
    }
    (root, arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_as_documented_and_taken_apart_again() {
        let label = "devel".parse().unwrap();
        let line = compose(&label, "UUID=1", "console=ttyS0 quiet").unwrap();
        assert_eq!(
            line,
            "rw init=/sbin/init rootfstype=btrfs rootflags=subvol=systems/devel/run root=UUID=1 console=ttyS0 quiet"
        );
        assert_eq!(take_apart(&line), (Some("UUID=1".into()), "console=ttyS0 quiet".into()));
    }

    #[test]
    fn what_would_not_boot_is_refused() {
        let label = ExistingLabel::factory();
        assert!(compose(&label, "/dev/sda", &"x".repeat(2000)).unwrap_err().to_string().contains("2047"));
        assert!(compose(&label, "/dev/sda", "a\nb").unwrap_err().to_string().contains("newline"));
        assert!(compose(&label, "/dev/sda", "").unwrap().ends_with("root=/dev/sda"));
    }
}
