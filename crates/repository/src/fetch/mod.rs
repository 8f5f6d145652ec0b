//! Fetches versions.

mod contents;
mod remember;
mod remote;
mod seen;
mod trust;

pub use contents::Fetched;
pub use remote::{Offer, Remote};
pub use seen::Seen;
pub use trust::Trust;
