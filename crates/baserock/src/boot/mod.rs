//! Booting as values: what a version boots with, the kernel's command line, the menu.

pub mod cmdline;
pub mod extlinux;
pub mod find;
pub mod menu;
pub mod parameters;
pub mod record;

pub use menu::Menu;
pub use parameters::Parameters;
pub use record::BootRecord;
