//! What an archive was checked against before it became a chroot.

use serde::{Deserialize, Serialize};

/// What an archive was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checked {
    /// Nothing.
    Nothing,
    /// A sum that the user gave.
    GivenSum,
    /// The sum in `SOURCE.sha256`.
    SumBeside,
    /// The sum in `SOURCE.sha256`, fetched from the same server without protection. Whoever can change the archive on the way can change it
    /// too.
    UnprotectedSum,
    /// A signature by a key that the user gave.
    Signature,
}
