//! The encoding of ssh: numbers of four bytes, and texts after their length.

/// Bytes that are read from the front. Each method returns `None` if there are too few.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a>(pub &'a [u8]);

impl<'a> Wire<'a> {
    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number.
    pub fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A text, which may have any bytes.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(length.try_into().ok()?)
    }

    /// A whole number above zero, without leading zeros.
    pub fn integer(&mut self) -> Option<&'a [u8]> {
        let text = self.text()?;
        let digits = &text[text.iter().position(|byte| *byte != 0)?..];
        (text[0] < 0x80).then_some(digits)
    }

    /// Succeeds if nothing is left.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Adds a text after its length.
pub fn put(to: &mut Vec<u8>, text: &[u8]) {
    // What is put here was read from a file of limited size.
    to.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(text);
}
