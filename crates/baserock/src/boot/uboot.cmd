# Reads the boot menu of the volume @VOLUME@.
#
# This file never changes. A trial is forgotten before its kernel is loaded; if it cannot be forgotten, it is not begun.
setenv own "${devtype} ${devnum}:${distro_bootpart}"
setenv boot "${devtype} ${devnum}:@BOOT@"
setenv trial
if load ${own} ${ramdisk_addr_r} /EFI/baserock/grubenv; then
  env import -t ${ramdisk_addr_r} ${filesize} trial
fi
if test -n "${trial}"; then
  setenv trial
  mw.b ${ramdisk_addr_r} 23 400
  if fatwrite ${own} ${ramdisk_addr_r} /EFI/baserock/grubenv 400; then
    sysboot ${boot} any ${pxefile_addr_r} /extlinux/trial.conf
  fi
fi
sysboot ${boot} any ${pxefile_addr_r} /extlinux/extlinux.conf
