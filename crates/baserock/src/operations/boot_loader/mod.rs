//! Installs boot loaders. Their menu is the volume's; they are installed once for a disk, and read it from then on.

pub mod extlinux;
pub mod grub;
