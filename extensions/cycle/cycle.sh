#!/bin/sh
# Builds a system and deploys it as a temporary upgrade of this machine, to try it.
#
# An earlier version of the same label is replaced. Where that one is the default, the running version becomes the default first, so that
# the machine always has a version to boot. Where the boot loader can, the next boot is a trial: the machine comes back by itself.

set -eu

usage() {
    cat <<'END'
Usage: cycle.sh SYSTEM CLUSTER [LABEL]

Builds SYSTEM, and deploys it with the deployment `self` of CLUSTER as an upgrade of this machine, labelled LABEL (default: TEST).
Run it in the definitions repository. Then reboot into the new version; the one that runs now stays as it is, and stays the default
where the boot loader can boot the new one just once.

  cycle.sh systems/devel.morph clusters/upgrade-devel.morph
END
}

fail() {
    echo "cycle.sh: $*" >&2
    exit 1
}

case "${1:-}" in
-h | --help)
    usage
    exit 0
    ;;
esac
if [ "$#" -lt 2 ] || [ "$#" -gt 3 ]; then
    usage >&2
    exit 2
fi
system=$1
cluster=$2
label=${3:-TEST}

running=$(system-version-manager get-running)
[ "$label" != "$running" ] ||
    fail "$label is running now, and cannot be replaced; boot another version, or give another LABEL"
[ "$label" != factory ] || fail "factory is the version to fall back to; give another LABEL"

# Before anything is removed: a build that fails changes nothing here.
morph build "$system"

back=$(system-version-manager get-default)
[ "$back" != "$label" ] || back=$running
if system-version-manager list | cut -d ' ' -f 1 | grep -qxF -e "$label"; then
    if [ "$(system-version-manager get-default)" = "$label" ]; then
        echo "cycle.sh: making $running the default, since $label is replaced"
        system-version-manager set-default "$running"
    fi
    echo "cycle.sh: removing the earlier $label"
    # It may be on trial, and not have been booted.
    system-version-manager abandon 2>/dev/null || true
    system-version-manager remove "$label"
fi

morph upgrade --system "$system" "$cluster" self "self.HOSTNAME=$(hostname)" "self.VERSION_LABEL=$label" \
    self.AUTOSTART=no self.TRIAL=no

# An upgrade makes the version the default. A trial does not.
system-version-manager set-default "$back"
if system-version-manager try "$label"; then
    echo "cycle.sh: $label is deployed; reboot to try it: the machine comes back to $back unless $label confirms itself"
elif system-version-manager try --without-units "$label"; then
    echo "cycle.sh: $label is deployed; reboot to try it, and keep it with: system-version-manager confirm"
    echo "cycle.sh: it has no units for trials: if it hangs, reset the machine, which boots $back then"
else
    system-version-manager set-default "$label"
    echo "cycle.sh: $label is deployed, and the default: this machine cannot try it once"
    echo "cycle.sh: reboot to use it, or go back with: system-version-manager set-default $running"
fi
