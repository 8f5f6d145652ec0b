//! Merges /etc as values: it makes a plan from three trees. [`crate::rootfs::etc`] reads the trees and carries out the plan.
//!
//! V1 is the old version's `etc` as built, VU is the same as the user left it, and V2 is the new version's `etc` as built. The rules are in
//! [`rules`], [`accounts`], [`fstab`], [`identity`] and [`original`]. No change of the user is lost silently: it is in the result, or in a
//! `.rej` that stays listed until somebody resolves it.

pub mod accounts;
pub mod changes;
pub mod conflict;
pub mod content;
pub mod diff;
pub mod fingerprint;
pub mod fstab;
pub mod git;
pub mod identity;
pub mod left;
pub mod links;
pub mod merge3;
pub mod metadata;
pub mod options;
pub mod original;
pub mod path;
pub mod plan;
pub mod record;
pub mod reject;
pub mod rules;
pub mod step;
pub mod structure;
pub mod sync;
pub mod tree;
pub mod whole;

pub use changes::Changes;
pub use options::{Choices, Options, Side, Take};
pub use path::EtcPath;
pub use plan::{Plan, plan};
pub use record::{Conflict, Record};
pub use step::{Action, Step};
pub use tree::{Kind, Node, Tree, Trees};
