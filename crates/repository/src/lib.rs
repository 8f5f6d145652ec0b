//! Published versions. A *repository* is a folder of static files: any web server, any mirror, and a USB stick serve it.
//!
//! ```text
//! index                 what there is, signed; the only file that changes
//! manifests/DIGEST      the manifest of a version (`delta::format`)
//! manifests/FROM-TO     the same as its difference to another one
//! packs/HASH            contents in units ([`bundle`])
//! deltas/FROM-TO        the contents of one version as differences to those of another
//! keys/NUMBER           the keys that are trusted after those before ([`rotation`])
//! ```
//!
//! Who trusts the signature of the index trusts all of it: it has the hash of each manifest and of the head of each bundle, and these have the
//! hashes of the rest.

pub mod bundle;
pub mod fetch;
pub mod index;
pub mod location;
pub mod publish;
pub mod refusal;
pub mod rotation;
pub mod wave;

pub use location::Location;
pub use refusal::Refusal;
