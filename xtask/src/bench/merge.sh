#!/bin/sh
# The /etc merge as a straightforward script: one process for each file and question. What the program is measured against.
# usage: merge.sh V1 VUSER V2 RESULT
set -eu
v1=$1 user=$2 v2=$3 result=$4

kind() {
    if [ -L "$1" ]; then echo link; elif [ -e "$1" ]; then stat -c %F "$1"; else echo none; fi
}

same() {
    kind_one=$(kind "$1") kind_two=$(kind "$2")
    [ "$kind_one" = "$kind_two" ] || return 1
    case $kind_one in
        link) [ "$(readlink "$1")" = "$(readlink "$2")" ] ;;
        regular*) cmp -s "$1" "$2" ;;
    esac
}

take() {
    rm -rf "$result/$2"
    if [ -e "$1/$2" ] || [ -L "$1/$2" ]; then
        mkdir -p "$(dirname "$result/$2")"
        cp -dp "$1/$2" "$result/$2"
    fi
}

metadata() {
    for question in %a %u %g; do
        one=$(stat -c "$question" "$v1/$1") own=$(stat -c "$question" "$user/$1")
        if [ "$one" != "$own" ] && [ "$one" = "$(stat -c "$question" "$v2/$1")" ]; then
            case $question in
                %a) chmod "$own" "$result/$1" ;;
                %u) chown "$own" "$result/$1" ;;
                %g) chgrp "$own" "$result/$1" ;;
            esac
        fi
    done
}

conflict() {
    cp -p "$v2/$1" "$result/$1.orig"
    diff -U3 --label "$1" --label "$1" "$v1/$1" "$user/$1" > "$result/$1.rej" || true
    take "$v2" "$1"
    echo "conflict $1"
}

lines() {
    cp -p "$v2/$1" "$result/$1"
    if diff -u "$v1/$1" "$user/$1" | patch -s -f -r - --no-backup-if-mismatch "$result/$1" > /dev/null; then
        echo "merge $1"
    else
        rm -f "$result/$1.orig" "$result/$1.rej"
        conflict "$1"
    fi
}

cp -a "$v2" "$result"
{ (cd "$v1" && find .); (cd "$user" && find .); (cd "$v2" && find .); } | sort -u | while IFS= read -r path; do
    path=${path#./}
    if [ -d "$v1/$path" ] && [ -d "$user/$path" ] && [ -d "$v2/$path" ]; then
        metadata "$path"
    elif same "$user/$path" "$v2/$path" || same "$user/$path" "$v1/$path"; then
        if [ -f "$v1/$path" ] && [ -f "$user/$path" ] && [ -f "$v2/$path" ]; then metadata "$path"; fi
    elif same "$v2/$path" "$v1/$path"; then
        take "$user" "$path"
        echo "keep $path"
    else
        case $(kind "$user/$path"),$(kind "$v2/$path") in
            none,*) take "$v2" "$path"; echo "restore $path" ;;
            *,none | link,link) take "$user" "$path"; echo "keep-over $path" ;;
            regular*,regular*) lines "$path" ;;
            *) conflict "$path" ;;
        esac
    fi
done
