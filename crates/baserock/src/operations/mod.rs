//! The operations on a volume. Each orders its steps, and takes them back in reverse if one fails.

pub mod ballast;
pub mod boot_files;
pub mod boot_loader;
pub mod copy;
mod deletion;
pub mod deploy;
pub mod diff;
pub mod etc;
pub mod finish;
pub mod full;
mod history;
pub mod incoming;
pub mod loader_limits;
mod losses;
pub mod manifest;
mod marker;
pub mod menu;
mod one_shot;
pub mod prune;
mod reclaim;
pub mod remark;
mod removable;
pub mod remove;
pub mod rename;
mod renaming;
pub mod repair;
pub mod set_default;
pub mod sizes;
pub mod state;
pub mod status;
mod sweep;
pub mod trial;
pub mod trust;
mod twin;
pub mod upgrade;
pub mod verify;

use system::observer::Event;

use crate::json::Format;

pub use copy::{Copy, copy};
pub use deploy::{Deploy, Deployed, deploy};
pub use finish::finish;
pub use prune::{Prune, prune};
pub use remove::{Remove, remove};
pub use rename::{Rename, rename};
pub use set_default::{SetDefault, set_default};
pub use trial::Try;
pub use upgrade::{Upgrade, Upgraded, upgrade};
pub use verify::{record, verify};

/// Events are also sent and printed as JSON.
impl Format for Event {}
