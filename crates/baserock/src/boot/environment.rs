//! The environment block of GRUB: a file of 1,024 bytes that the boot loader reads, and writes in its place. U-Boot can read it, too.
//!
//! It is a line that names it, then `name=value` a line, and `#` up to its end.

/// Bytes of the block.
pub const SIZE: usize = 1024;
const HEAD: &str = "# GRUB Environment Block\n";
/// The variable with the version that is booted once.
const ONCE: &str = "trial=";

/// What the block has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    lines: Vec<String>,
}

impl Environment {
    /// Reads the block. One that is torn or missing has nothing, for us and for the boot loader.
    pub fn parse(block: &[u8]) -> Self {
        let text = std::str::from_utf8(block).ok().filter(|_| block.len() == SIZE);
        let body = text.and_then(|text| text.strip_prefix(HEAD)).unwrap_or_default();
        Environment { lines: body.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect() }
    }

    /// The version that is booted once.
    pub fn once(&self) -> Option<&str> {
        self.lines.iter().find_map(|line| line.strip_prefix(ONCE)).filter(|label| !label.is_empty())
    }

    /// Sets or takes away the version that is booted once. Returns `None` if there is no room for it.
    #[must_use]
    pub fn with_once(mut self, once: Option<&str>) -> Option<Self> {
        self.lines.retain(|line| !line.starts_with(ONCE));
        self.lines.extend(once.map(|once| format!("{ONCE}{once}")));
        (self.text().len() <= SIZE).then_some(self)
    }

    /// The bytes of the block.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.text().into_bytes();
        bytes.resize(SIZE, b'#');
        bytes
    }

    fn text(&self) -> String {
        self.lines.iter().fold(HEAD.to_owned(), |text, line| text + line + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booted_once_is_set_and_taken_away_and_the_rest_stays() {
        let mut other = format!("{HEAD}saved_entry=x\n").into_bytes();
        other.resize(SIZE, b'#');
        let armed = Environment::parse(&other).with_once(Some("v2")).unwrap();
        let bytes = armed.to_bytes();
        assert_eq!((bytes.len(), Environment::parse(&bytes).once()), (SIZE, Some("v2")));
        assert_eq!(Environment::parse(&bytes).with_once(None).unwrap().to_bytes(), other);
        assert_eq!(armed.with_once(Some(&"x".repeat(SIZE))), None);
    }

    #[test]
    fn a_torn_block_has_nothing() {
        let bytes = Environment::default().with_once(Some("v2")).unwrap().to_bytes();
        let torn = [&[0; 512][..], &bytes[512..]].concat();
        for block in [&torn[..], &bytes[..512], b""] {
            assert_eq!(Environment::parse(block), Environment::default());
        }
        // The loader finds the variable in the first half.
        let torn = [&bytes[..512], &[0; 512]].concat();
        assert_eq!(Environment::parse(&torn).once(), Some("v2"));
    }
}
