//! Booting as values: the parameters of a version, the kernel's command line, and the menu.

pub mod adv;
pub mod boot_file;
pub mod cmdline;
pub mod entry;
pub mod environment;
pub mod extlinux;
pub mod grub;
pub mod kernel_image;
pub mod menu;
pub mod names;
pub mod parameters;
pub mod record;
pub mod trial;
pub mod uboot;

pub use boot_file::BootFile;
pub use menu::Menu;
pub use parameters::Parameters;
pub use record::BootRecord;
