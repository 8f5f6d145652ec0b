//! Boot menus: whatever was on a disk, what is written over it is read back as meant.

use baserock::boot::{BootRecord, entry, extlinux, menu::Menu};
use baserock::label::ExistingLabel;

use crate::parts::parts;

/// A menu, and a root device and arguments for the versions that are entered into it.
pub fn run(bytes: &[u8]) {
    let [root, arguments, text] = parts(bytes).map(String::from_utf8_lossy);
    let before = Menu::parse(&text);
    assert_eq!(Menu::parse(&before.to_string()), before, "what was written is read otherwise");
    let [factory, devel] = [ExistingLabel::factory(), "devel".parse().expect("a label")];
    let _unknown = extlinux::default_version(&before, Some(&devel));

    let record = BootRecord {
        root: root.into(),
        kernel_args: arguments.into(),
        kernel: true,
        initramfs: true,
        dtb: false,
        fdtdir: true,
    };
    let update = |before: &Menu| {
        let made = [(factory.clone(), None), (devel.clone(), Some(&record))].map(|(label, record)| {
            let made = entry::of_version(before, &label, record, &|path| Ok(path.len() % 7 > 0));
            made.expect("nothing is asked of a disk").map(|made| (label, made))
        });
        let made: Vec<_> = made.into_iter().flatten().collect();
        (made.clone(), extlinux::update(before, made, &devel))
    };
    let (made, after) = update(&before);
    if made.iter().all(|(label, _)| *label != devel) {
        return;
    }
    let read = Menu::parse(&after.menu.to_string());
    assert_eq!(read, after.menu, "what was written is read otherwise");
    assert_eq!(extlinux::default_version(&read, None), Some(devel.clone()));
    for (label, _) in &made {
        let entries = read.entries.iter().filter(|entry| entry.label == label.as_str());
        assert_eq!(entries.count(), 1, "entries of {label}");
    }
    let (again, same) = update(&read);
    assert_eq!(again.len(), made.len(), "a version that was in the menu is not any more");
    assert_eq!(same.menu, read);
}
