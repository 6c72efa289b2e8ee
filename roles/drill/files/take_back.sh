#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Do what the timer would do, see that nothing of the fault is left, and disarm the timer. Called again it goes on where it was cut off.
# Arguments: the directory of the faults, and the fault's name. It prints a line where there was a fault.
script=$1/$2
kept=$script.kept
code=$script.d
[ -e "$script" ] || exit 0
echo "$2"
# Both go only after the fault, in this order: where both are gone, an earlier removal was cut off after its work.
if [ -e "$kept" ] || [ -e "$code" ]; then
    "$script" remove >&2 || exit
    left=$("$script" left) || exit
    if [ -n "$left" ]; then
        printf 'left: %s\n' "$left" >&2
        exit 3
    fi
fi
systemctl stop "$2-remove.timer" "$2-remove.service" "$2.service" > /dev/null 2>&1
systemctl reset-failed "$2.service" > /dev/null 2>&1
# Last the one by which the fault is found.
rm -rf -- "$kept" && rm -rf -- "$code" && rm -f -- "$script"
