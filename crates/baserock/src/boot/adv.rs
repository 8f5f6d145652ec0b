//! The area of extlinux for what is to be booted once (its "auxiliary data vector"): two equal copies of 512 bytes.
//!
//! A copy is a head, a checksum, 500 bytes of data, and a tail. The data are items: a byte with the tag, a byte with the length, the value.
//! Before the loader starts what is to be booted once, it takes that item away. It reads the first copy that is whole.

/// Bytes of the area.
pub const SIZE: usize = 1024;
/// Bytes of a copy.
const COPY: usize = 512;
/// Bytes of the data in a copy.
const DATA: usize = COPY - 12;
const HEAD: u32 = 0x5a2d_2fa5;
const SUM: u32 = 0xa304_1767;
const TAIL: u32 = 0xdd28_bf64;
/// The tag of what is to be booted once: an entry of the menu, and more arguments for its kernel.
const BOOT_ONCE: u8 = 1;

/// What the area has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adv {
    items: Vec<(u8, Vec<u8>)>,
}

impl Adv {
    /// Reads the area. `None` if no copy is whole: there is no extlinux, or only half of it.
    pub fn parse(area: &[u8; SIZE]) -> Option<Self> {
        let (copies, _) = area.as_chunks::<COPY>();
        let data = copies.iter().find_map(data)?;
        let mut items = Vec::new();
        let mut rest = data;
        // A tag of 0 ends the items.
        while let [tag, length, more @ ..] = rest
            && *tag != 0
        {
            let (value, after) = more.split_at_checked(usize::from(*length))?;
            items.push((*tag, value.to_vec()));
            rest = after;
        }
        Some(Adv { items })
    }

    /// What is to be booted once.
    pub fn once(&self) -> Option<String> {
        let (_, value) = self.items.iter().find(|(tag, _)| *tag == BOOT_ONCE)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Sets or takes away what is to be booted once. Returns `None` if there is no room for it.
    #[must_use]
    pub fn with_once(mut self, once: Option<&str>) -> Option<Self> {
        self.items.retain(|(tag, _)| *tag != BOOT_ONCE);
        self.items.extend(once.map(|once| (BOOT_ONCE, once.as_bytes().to_vec())));
        let used: usize = self.items.iter().map(|(_, value)| value.len() + 2).sum();
        let fits = self.items.iter().all(|(_, value)| u8::try_from(value.len()).is_ok());
        (fits && used <= DATA).then_some(self)
    }

    /// The bytes of the area.
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut data = Vec::with_capacity(DATA);
        for (tag, value) in &self.items {
            data.extend([*tag, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
            data.extend(value);
        }
        data.resize(DATA, 0);
        let sum = words(&data).fold(SUM, u32::wrapping_sub);
        let copy = [&HEAD.to_le_bytes()[..], &sum.to_le_bytes(), &data, &TAIL.to_le_bytes()].concat();
        let mut area = [0; SIZE];
        area[..COPY].copy_from_slice(&copy);
        area[COPY..].copy_from_slice(&copy);
        area
    }
}

/// The data of a copy, if it is whole.
fn data(copy: &[u8; COPY]) -> Option<&[u8]> {
    let number = |at: usize| copy[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    let data = &copy[8..COPY - 4];
    let sum = words(data).fold(SUM, u32::wrapping_sub);
    (number(0) == Some(HEAD) && number(4) == Some(sum) && number(COPY - 4) == Some(TAIL)).then_some(data)
}

fn words(data: &[u8]) -> impl Iterator<Item = u32> + '_ {
    data.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booted_once_is_set_and_taken_away_and_the_rest_stays() {
        let other = Adv { items: vec![(2, b"menu".to_vec())] };
        let armed = other.clone().with_once(Some("v2 panic=30")).unwrap();
        let read = Adv::parse(&armed.to_bytes()).unwrap();
        assert_eq!((read.once().as_deref(), &read), (Some("v2 panic=30"), &armed));
        assert_eq!(read.with_once(None), Some(other));
        assert_eq!(
            Adv::default().to_bytes()[..12],
            [0xa5, 0x2f, 0x2d, 0x5a, 0x67, 0x17, 0x04, 0xa3, 0, 0, 0, 0]
        );
        assert_eq!(Adv::default().with_once(Some(&"x".repeat(256))), None);
        let full = Adv { items: vec![(2, vec![0; 255])] };
        assert_eq!(full.with_once(Some(&"x".repeat(250))), None);
    }

    #[test]
    fn a_torn_copy_leaves_the_other() {
        let armed = Adv::default().with_once(Some("v2")).unwrap();
        let mut bytes = armed.to_bytes();
        bytes[9] ^= 1;
        assert_eq!(Adv::parse(&bytes), Some(armed.clone()));
        bytes[COPY + 400] ^= 1;
        assert_eq!(Adv::parse(&bytes), None);
        let mut torn = armed.to_bytes();
        torn[COPY..].copy_from_slice(&Adv::default().to_bytes()[COPY..]);
        assert_eq!(Adv::parse(&torn), Some(armed));
    }
}
