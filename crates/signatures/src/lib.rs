//! Signatures of minisign and ssh, verified over a stream of bytes.
//!
//! A keyring says whose signatures count. Everything about a signature but the bytes themselves is checked before these are read: its form,
//! its key, what the key may sign, and when.
//!
//! ```no_run
//! use std::time::SystemTime;
//!
//! use baserock_signatures::{FILE, Keyring, Signature};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keyring = Keyring::parse(&std::fs::read("keys")?, "keys")?;
//! let signature = Signature::parse(&std::fs::read("a.tar.sig")?, "a.tar.sig")?;
//! let check = signature.check(&keyring, FILE, SystemTime::now())?;
//! let signer = check.verify(&mut std::fs::File::open("a.tar")?, "a.tar")?;
//! println!("signed by {signer}");
//! # Ok(())
//! # }
//! ```

mod keyring;
mod refusal;
mod restriction;
mod signature;
mod signed_text;
mod signer;
mod ssh;
mod wire;

pub use keyring::Keyring;
pub use refusal::Refusal;
pub use signature::{Check, Signature};
pub use signed_text::SignedText;
pub use signer::Signer;

/// The namespace of ssh's signatures of files.
pub const FILE: &str = "file";

/// The namespace of ssh's signatures of versions, published or pushed.
pub const REPOSITORY: &str = "baserock-repository";
