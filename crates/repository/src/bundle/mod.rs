//! Bundles: contents in units, in one file. A *pack* has contents as they are, for whoever has nothing. A *delta* has the contents of one tree as
//! differences to those of another.
//!
//! ```text
//! 8 bytes    "BRBUNDL", and the version: 1
//! number     bytes of the table
//! zstd       the table, one frame
//!            the answers, one after the other: recipes, then those for units
//! ```
//!
//! The head is all in front of the answers. Its hash is in the index, and the table has the hashes of the answers. So nothing is unpacked whose
//! hash is not known from what was signed.
//!
//! ```text
//! number     units
//!   number     bytes of the answer (`delta::formed`, then `delta::difference`)
//!   32 bytes   its SHA-256
//!   number     pieces
//!     content    the new content
//!     number     the first byte of the piece, and bytes
//!     number     0, or 1 if it is compared with an old piece:
//!     content    the old content
//!     number     the first byte of that piece, and bytes
//! number     recipes
//!   number     bytes of the recipe (`delta::recipe`)
//!   32 bytes   its SHA-256
//!   content    the content that it makes
//!   number     0, or 1 if its literals are compared with those of an old content:
//!   content    the old content
//!   number     files; and each
//!   content    a file: the recipe names it by its number in this list
//! ```
//!
//! A *content* is 32 bytes of SHA-256 in a pack. In a delta it is a signed number: the place in the manifest of the first file that has it,
//! less that of the last content of the same tree.

pub mod make;
pub mod names;
pub mod table;
pub mod take;

pub use names::Names;
pub use table::Table;
