# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Redis server does not have, so that a check does not apply to it. Nothing else may be left out of a verdict.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from ..._core.findings import NOT_APPLICABLE, Skipped
from .info import flavor

#: Every reason for which a check does not apply. A check that fails for any other reason could not be looked at.
ABSENT: t.Mapping[str, str] = {
    "not_armed": "latency-monitor-threshold is 0, so the server watches no latency",
    "not_counted": "this product or version does not count it",
    "no_config": "the server has no command CONFIG, as managed services have none, so its setting cannot be read",
    "no_such_setting": "this product has no latency monitor",
    "not_local": "the server does not run on the host that runs the module",
    "holds_no_data": "it is a sentinel, which holds no data",
    "no_cluster": "the server is of no cluster",
    "no_sentinel": "the server is not a sentinel",
    "stands_alone": "the server is of no cluster and no sentinel",
    "no_replicas": "no replica is attached and none is expected",
}
#: Fields of INFO that a product never tells, by flavor. Dragonfly says -1 for what it does not count.
_NEVER: t.Mapping[str, frozenset[str]] = {
    "dragonfly": frozenset({"mem_fragmentation_ratio", "total_error_replies", "rejected_connections", "aof_enabled"}),
}
#: Since which version of Redis, and of those that speak as it does, a field is there.
_SINCE: t.Mapping[str, tuple[int, int]] = {"total_error_replies": (6, 2)}
#: Since when CLIENT PAUSE can hold writes back alone. Before, a pause is a server that answers nothing.
_PAUSES_WRITES = (6, 2)
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


def does_not_apply(check: str, code: str, *, of: str = "", hint: str = "") -> Skipped:
    """The check as one that does not apply.

    Args:
        code: key of ABSENT.
        of: what it is said of, such as a field of INFO.
    """
    return Skipped(check, f"{code}: {ABSENT[code]}{f' ({of})' if of else ''}", hint, kind=NOT_APPLICABLE)


def product_lacks(info: t.Mapping[str, str], field: str) -> bool:
    """Whether the server's product or version has no such field in INFO. A field that is hidden is another matter."""
    name, version = flavor(info)
    if field in _NEVER.get(name, ()):
        return True
    since = _SINCE.get(field)
    return since is not None and _is_before(version, since)


def pauses_writes(info: t.Mapping[str, str]) -> bool:
    """Whether the server can hold writes back while it answers reads."""
    return not _is_before(flavor(info)[1], _PAUSES_WRITES) or flavor(info)[0] == "dragonfly"


def harmless_write(info: t.Mapping[str, str]) -> str:
    """The command that is held back with writes, and changes nothing of a name that nobody uses. Dragonfly takes PFCOUNT for a read."""
    return "DEL" if flavor(info)[0] == "dragonfly" else "PFCOUNT"


def _is_before(version: str, since: tuple[int, int]) -> bool:
    numbers = _VERSION.match(version)
    return numbers is not None and (int(numbers.group(1)), int(numbers.group(2))) < since
