# Takes from the Debian in the folder $0 what test machines do not need.
cd "$0"
rm -r usr/share/doc usr/share/man usr/share/locale var/cache/apt var/lib/apt/lists
cd usr/lib/modules/*/kernel
rm -r sound
for name in gpu media infiniband scsi iio staging usb mmc hwmon isdn net/wireless net/ethernet; do rm -rf drivers/$name; done
cd "$0"

# What only takes time at each boot.
for unit in e2scrub_reap.service networking.service cron.service *.timer dev-hugepages.mount dev-mqueue.mount \
    sys-fs-fuse-connections.mount sys-kernel-*.mount systemd-pstore.service getty-static.service; do
    rm -f etc/systemd/system/*.wants/$unit usr/lib/systemd/system/*.wants/$unit
done
rm usr/lib/udev/hwdb.bin
# The devices that these machines have, not all that the kernel knows of.
mkdir usr/lib/systemd/system/systemd-udev-trigger.service.d
cat >usr/lib/systemd/system/systemd-udev-trigger.service.d/few.conf <<END
[Service]
ExecStart=
ExecStart=-udevadm trigger --type=all --action=add -s block -s net -s virtio -s pci -s input
ExecStart=-udevadm trigger --action=add /dev/ttyS0
ExecStart=-udevadm trigger --action=add /dev/ttyAMA0
END
