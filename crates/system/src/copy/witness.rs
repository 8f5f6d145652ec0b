//! Somebody who sees what is copied.

use nix::sys::stat::FileStat;

/// Sees the content of a file while it is copied, from its start to its end.
pub trait Witness: Send {
    /// Sees the next bytes.
    fn see(&mut self, bytes: &[u8]);

    /// Sees a hole of this length: that many zeros, or none.
    fn see_hole(&mut self, length: u64);

    /// The file has ended.
    fn end(self: Box<Self>);
}

/// Makes somebody who sees the content of the file.
pub type MakeWitness<'a> = dyn Fn(&FileStat) -> Box<dyn Witness> + 'a;
