//! The version that a kernel's image has in its head.

/// Bytes of an image that are enough to find its version.
pub const HEAD: usize = 32 << 10;

/// Where a kernel for x86 has its signature, and where it tells the place of its version.
const SIGNATURE: (usize, &[u8]) = (0x202, b"HdrS");
const PLACE: usize = 0x20e;
/// The place counts from here.
const BASE: usize = 0x200;

/// The version of a kernel for x86: `6.1.0-28-amd64`. Images for other processors do not tell it.
pub fn kernel_version(head: &[u8]) -> Option<String> {
    let (at, signature) = SIGNATURE;
    if head.get(at..at + signature.len())? != signature {
        return None;
    }
    let place = u16::from_le_bytes(*head.get(PLACE..)?.first_chunk()?);
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
        assert_eq!(kernel_version(&head), None);
        head[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
        let text = b"6.1.0-28-amd64 (build@example) #1 SMP\0";
        head[0x300..0x300 + text.len()].copy_from_slice(text);
        assert_eq!(kernel_version(&head).as_deref(), Some("6.1.0-28-amd64"));
        assert_eq!(kernel_version(&head[..0x305]), None);
        for other in [&b""[..], b"MZ", &[0xff; 0x400]] {
            assert_eq!(kernel_version(other), None);
        }
    }
}
