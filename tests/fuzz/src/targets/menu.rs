//! Boot menus: whatever was on a disk, what is written over it is read back as meant.

use baserock::boot::{BootRecord, extlinux, menu::Menu};
use baserock::label::ExistingLabel;

use crate::parts::parts;

/// A menu, and a root device and arguments for the versions that are entered into it.
pub fn run(bytes: &[u8]) {
    let [root, arguments, text] = parts(bytes).map(String::from_utf8_lossy);
    let before = Menu::parse(&text);
    assert_eq!(Menu::parse(&before.to_string()), before, "what was written is read otherwise");
    let [factory, devel] = [ExistingLabel::factory(), "devel".parse().expect("a label")];
    let _unknown = extlinux::default_version(&before, Some(&devel));

    let other = extlinux::record_from(&before, &factory);
    let record = BootRecord {
        root: root.into(),
        kernel_args: arguments.into(),
        kernel: true,
        initramfs: true,
        dtb: false,
        fdtdir: true,
    };
    let versions = [(factory, other.unwrap_or_else(|| record.clone())), (devel.clone(), record)];
    let Ok(after) = extlinux::update(&before, &versions, &devel) else { return };
    let read = Menu::parse(&after.to_string());
    assert_eq!(read, after, "what was written is read otherwise");
    assert_eq!(extlinux::default_version(&read, None), Some(devel.clone()));
    for (label, _) in &versions {
        let entries = read.entries.iter().filter(|entry| entry.label == label.as_str());
        assert_eq!(entries.count(), 1, "entries of {label}");
    }
    assert_eq!(extlinux::update(&read, &versions, &devel).expect("it was possible before"), read);
}
