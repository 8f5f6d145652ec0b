#!/bin/sh
# Builds a system and deploys it as a temporary upgrade of this machine, to try it.
#
# An earlier trial of the same label is replaced. Where that one is the default, the running version becomes the default first, so that
# the machine always has a version to boot.

set -eu

usage() {
    cat <<'END'
Usage: cycle.sh SYSTEM CLUSTER [LABEL]

Builds SYSTEM, and deploys it with the deployment `self` of CLUSTER as an upgrade of this machine, labelled LABEL (default: TEST).
Run it in the definitions repository. Then reboot into the new version; the one that runs now stays as it is.

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

if system-version-manager list | cut -d ' ' -f 1 | grep -qxF -e "$label"; then
    if [ "$(system-version-manager get-default)" = "$label" ]; then
        echo "cycle.sh: making $running the default, since $label is replaced"
        system-version-manager set-default "$running"
    fi
    echo "cycle.sh: removing the earlier $label"
    system-version-manager remove "$label"
fi

morph upgrade --system "$system" "$cluster" self "self.HOSTNAME=$(hostname)" "self.VERSION_LABEL=$label"
echo "cycle.sh: $label is deployed; reboot to try it, or go back with: system-version-manager set-default $running"
