# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a run say by one variable.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ...module_utils._core.words import number


def hosts_said(hostvars: t.Mapping[str, t.Mapping[str, t.Any]], *, variable: str, hosts: t.Sequence[str]) -> list[t.Any]:
    """The values of a variable in the order of the hosts. Values that are lists are joined. A host without it says nothing.

    Args:
        hostvars: the variables by host.
        variable: which one.
        hosts: whom to ask.
    """
    found: list[t.Any] = []
    for host in hosts:
        if variable in hostvars[host]:
            value = hostvars[host][variable]
            found += value if isinstance(value, list) else [value]
    return found


def hosts_total(hostvars: t.Mapping[str, t.Mapping[str, t.Any]], *, variable: str, hosts: t.Sequence[str]) -> int:
    """The sum of a variable over hosts.

    Raises:
        BadInput: a host's value is not a number. The sum may be held against a limit.

    Args:
        hostvars: see hosts_said().
        variable: see hosts_said().
        hosts: see hosts_said().
    """
    return sum(number(value) for value in hosts_said(hostvars, variable=variable, hosts=hosts))
