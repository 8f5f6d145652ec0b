//! The agent's request for a recipe.

use std::io;

use delta::NewIndex;
use delta::codec::{Reader, Writer, invalid};
use delta::hash::Hash;
use delta::matches::{MOST_OLD, MOST_SIGNATURE};
use delta::recipe::MOST_LITERALS;

/// Most contents that an agent asks for as recipes. It keeps the recipes until all other contents are there.
pub const MOST_RECIPES: usize = 4;
/// Most members of an old content.
const MOST_MEMBERS: usize = 1 << 20;
const _: () = assert!(MOST_LITERALS <= MOST_OLD);

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeRequest {
    /// In the new tree: the file.
    pub entry: NewIndex,
    /// With what its literals are to be compared.
    pub old: OldLiterals,
}

/// The literals of an old content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldLiterals {
    /// Those of a content that the sender has, without these of its members.
    Known {
        /// The content.
        hash: Hash,
        /// For each member that may be left out, whether it is ([`delta::recipe::Literals::left_out`]).
        left_out: Vec<bool>,
    },
    /// Those with this signature (`delta::matches::signature`); may be empty.
    Signature(Vec<u8>),
}

impl RecipeRequest {
    /// The request as bytes: number entry; number 0 and bytes signature, or 1 more than the number of members, 32 bytes hash, and the members
    /// in runs: number so many in turn that are not left out, that are, and so on.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.number(self.entry.0 as u64);
        match &self.old {
            OldLiterals::Signature(signature) => {
                to.number(0);
                to.bytes(signature);
            }
            OldLiterals::Known { hash, left_out } => {
                to.number(1 + left_out.len() as u64);
                to.raw(&hash.0);
                if left_out.first() == Some(&true) {
                    to.number(0);
                }
                left_out.chunk_by(|a, b| a == b).for_each(|run| to.number(run.len() as u64));
            }
        }
        to.0
    }

    /// Reads a request from bytes that are not trusted.
    pub fn read(bytes: &[u8]) -> io::Result<Self> {
        let mut from = Reader(bytes);
        let entry = NewIndex(from.count(usize::MAX)?);
        let Some(members) = from.count(1 + MOST_MEMBERS)?.checked_sub(1) else {
            return Ok(RecipeRequest { entry, old: OldLiterals::Signature(from.bytes(MOST_SIGNATURE)?) });
        };
        let hash = Hash(from.raw()?);
        let (mut left_out, mut is_out) = (Vec::new(), false);
        while left_out.len() < members {
            let run = from.count(members - left_out.len())?;
            if run == 0 && (is_out || !left_out.is_empty()) {
                return Err(invalid("a run of no members"));
            }
            left_out.resize(left_out.len() + run, is_out);
            is_out = !is_out;
        }
        Ok(RecipeRequest { entry, old: OldLiterals::Known { hash, left_out } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back() {
        let known =
            |left_out: &[bool]| OldLiterals::Known { hash: Hash([7; 32]), left_out: left_out.to_vec() };
        for old in [
            OldLiterals::Signature(vec![1, 2, 3]),
            known(&[]),
            known(&[true, true, false]),
            known(&[false, true, false, false]),
        ] {
            let request = RecipeRequest { entry: NewIndex(300), old };
            assert_eq!(RecipeRequest::read(&request.to_bytes()).unwrap(), request);
        }
    }

    #[test]
    fn claims_are_bounded() {
        let mut bytes = vec![1, 9];
        bytes.extend([0; 32]);
        for runs in [&[9][..], &[0, 0, 8], &[4, 0, 4], &[4]] {
            assert!(RecipeRequest::read(&[&bytes[..], runs].concat()).is_err(), "{runs:?}");
        }
        assert!(RecipeRequest::read(&[&bytes[..], &[0, 8]].concat()).is_ok());
    }
}
