#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What a host is like, as lines that can be compared. Reads only.
# Arguments: paths, units, and then every command by itself; `:` is none.
export LC_ALL=C
for path in $1; do
    find "$path" -xdev \( -type f -o -type l \) -printf 'file %p %s %u:%g %m %T@ %l\n' 2>/dev/null
done | sort
for unit in $2; do
    printf 'unit %s %s\n' "$unit" "$(systemctl show --property=LoadState,ActiveState,MainPID,InvocationID "$unit" | tr '\n' ' ')"
done
# Counters change by themselves.
{ nft --stateless list ruleset 2>/dev/null || true; } | sed 's/^/nft /'
for tool in iptables-legacy-save ip6tables-legacy-save; do
    { "$tool" 2>/dev/null || true; } | grep -v '^#' | sed "s/\[[0-9:]*\]//; s/^/$tool /"
done
# The rest of an entry's time changes by itself.
{ ipset save 2>/dev/null || true; } | sed 's/ timeout [0-9]*//; s/^/ipset /'
# One line a jail, in an order of its own.
{ fail2ban-client banned 2>/dev/null || true; } | tr -d '[]' | sed "s/}, *{/}\n{/g" | while IFS= read -r jail; do
    printf 'fail2ban %s: %s\n' "$(printf '%s' "$jail" | cut -d: -f1 | tr -d "{' ")" \
        "$(printf '%s' "$jail" | cut -d: -f2- | tr -d "}' " | tr ',' '\n' | sort | tr '\n' ' ')"
done
# A look that fails or sees nothing cannot be compared with another that does: the drill has to hear of it. By number: a command may
# hold a password.
shift 2
number=0
for command in "$@"; do
    number=$((number + 1))
    [ "$command" != : ] || continue
    said=$(sh -c "$command" 2>&1 < /dev/null)
    ended=$?
    if [ "$ended" -ne 0 ]; then
        printf 'incomparable command %s ended with %s: %.200s\n' "$number" "$ended" "$(printf '%s' "$said" | tail -n 1)"
    elif [ -z "$said" ]; then
        printf 'incomparable command %s printed nothing\n' "$number"
    else
        printf '%s\n' "$said" | sed 's/^/output /'
    fi
done
