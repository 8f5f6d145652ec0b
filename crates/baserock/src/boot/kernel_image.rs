//! The image of a kernel as bytes: which programs the kernel runs, and its version.

/// Bytes at the beginning of an image that are enough for all that is read here.
pub const HEAD: usize = 32 << 10;

/// A kind of kernel: what its image has, and the architectures whose programs it runs.
#[derive(Debug)]
struct Kind {
    /// Where the image has its mark, and the mark (Linux, Documentation/arch: x86/boot, arm64/booting; ARM's zImage).
    mark: (usize, [u8; 4]),
    runs: &'static [&'static str],
}

const X86: Kind = Kind { mark: (0x202, *b"HdrS"), runs: &["x86_64", "i686"] };
const ARM64: Kind = Kind { mark: (0x38, *b"ARMd"), runs: &["aarch64", "armv7l"] };
const ARM: Kind = Kind { mark: (0x24, [0x18, 0x28, 0x6f, 0x01]), runs: &["armv7l"] };

/// Where a kernel for x86 tells the place of its version.
const VERSION: usize = 0x20e;
/// The place counts from here.
const BASE: usize = 0x200;

impl Kind {
    /// Whether an image that begins with these bytes is of this kind.
    fn has(&self, head: &[u8]) -> bool {
        let (at, mark) = self.mark;
        head.get(at..at + mark.len()) == Some(&mark)
    }
}

/// The architectures whose programs this kernel runs, as `uname -m` prints them; `None` if its image does not tell.
pub fn runs(head: &[u8]) -> Option<&'static [&'static str]> {
    [X86, ARM64, ARM].into_iter().find(|kind| kind.has(head)).map(|kind| kind.runs)
}

/// The version of a kernel for x86: `6.1.0-28-amd64`. Images for other processors do not tell it.
pub fn version(head: &[u8]) -> Option<String> {
    if !X86.has(head) {
        return None;
    }
    let place = u16::from_le_bytes(*head.get(VERSION..)?.first_chunk()?);
    let text = head.get(BASE + usize::from(place)..).filter(|_| place > 0)?;
    let end = text.iter().position(|byte| *byte == 0 || byte.is_ascii_whitespace())?;
    let version = std::str::from_utf8(&text[..end]).ok()?;
    (!version.is_empty() && version.chars().all(|c| c.is_ascii_graphic())).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_at_the_place_that_the_head_names() {
        let mut head = vec![0; 0x400];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(version(&head), None);
        head[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
        let text = b"6.1.0-28-amd64 (build@example) #1 SMP\0";
        head[0x300..0x300 + text.len()].copy_from_slice(text);
        assert_eq!(version(&head).as_deref(), Some("6.1.0-28-amd64"));
        assert_eq!(version(&head[..0x305]), None);
        for other in [&b""[..], b"MZ", &[0xff; 0x400]] {
            assert_eq!(version(other), None);
        }
    }

    #[test]
    fn what_a_kernel_runs_is_told_by_its_mark() {
        let found = |at: usize, mark: &[u8]| runs(&[&vec![0; at], mark, &[0; 100]].concat());
        assert_eq!(found(0x202, b"HdrS"), Some(&["x86_64", "i686"][..]));
        assert_eq!(found(0x38, b"ARMd"), Some(&["aarch64", "armv7l"][..]));
        assert_eq!(found(0x24, &[0x18, 0x28, 0x6f, 0x01]), Some(&["armv7l"][..]));
        assert_eq!(found(0x203, b"HdrS"), None);
        assert_eq!(found(0, b""), None);
    }
}
