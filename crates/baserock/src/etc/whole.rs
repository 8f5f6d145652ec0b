//! Folders that programs read whole. A file that is put into one of them is configuration, whatever its name is.

use super::path::EtcPath;

/// Folders that are read whole, with all folders in them, although their names do not end in `.d`.
const FOLDERS: [&str; 28] = [
    "NetworkManager/system-connections",
    "acpi/events",
    "apache2/conf-enabled",
    "apache2/mods-enabled",
    "apache2/sites-enabled",
    "avahi/services",
    "cron.daily",
    "cron.hourly",
    "cron.monthly",
    "cron.weekly",
    "cron.yearly",
    "initramfs-tools/hooks",
    "initramfs-tools/scripts",
    "logcheck",
    "munin/plugins",
    "netplan",
    "nginx/modules-enabled",
    "nginx/sites-enabled",
    "periodic",
    "ppp/peers",
    "runlevels",
    "service",
    "skel",
    "ssl/certs",
    "sv",
    "sysconfig/network-scripts",
    "systemd",
    "xdg/autostart",
];

/// Whether programs read every file of the folder: its name, or that of a folder above it, ends in `.d`, or it is in the table.
pub fn is_read_whole(folder: &EtcPath) -> bool {
    let names_many = folder.as_bytes().split(|&byte| byte == b'/').any(|name| name.ends_with(b".d"));
    names_many || FOLDERS.iter().any(|listed| folder.is_within(&EtcPath::from(*listed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_by_ending_or_name() {
        for folder in [
            "logrotate.d",
            "network/interfaces.d",
            "apt/apt.conf.d",
            "systemd/system",
            "systemd/system/ssh.service.d",
            "polkit-1/rules.d",
            "dnsmasq.d/more",
            "cron.daily",
            "pam.d",
            "skel/.config",
        ] {
            assert!(is_read_whole(&EtcPath::from(folder)), "{folder}");
        }
        for folder in ["", "ssh", "cron.dailyx", "apt", "network", "d"] {
            assert!(!is_read_whole(&EtcPath::from(folder)), "{folder}");
        }
    }
}
