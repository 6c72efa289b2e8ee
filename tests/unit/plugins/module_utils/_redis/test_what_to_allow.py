# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an access control list forbids is named with the rule that allows it, however the server says it."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._redis.connection import CommandRefused, explained, what_to_allow
from ansible_collections.oncall.incident.plugins.module_utils._redis.resp import ErrorReply


@pytest.mark.parametrize(("command", "reply", "allow"), [
    ("CONFIG GET", ErrorReply("NOPERM", "User x has no permissions to run the 'config|get' command"), "allow +config|get to this user"),
    # Redis 6 names no subcommand.
    ("CONFIG GET", ErrorReply("NOPERM", "this user has no permissions to run the 'config' command or its subcommand"),
     "allow +config|get to this user"),
    ("FLUSHDB", ErrorReply("EXECABORT", "Transaction discarded because of: NOPERM User x has no permissions to run the 'exec' command"),
     "allow +exec to this user"),
    ("UNLINK", ErrorReply("NOPERM", "No permissions to access a key"), "allow this user the keys, with a pattern such as ~*"),
    ("UNLINK", ErrorReply("NOPERM", "this user has no permissions to access one of the keys used as arguments"),
     "allow this user the keys, with a pattern such as ~*"),
    ("PUBLISH", ErrorReply("NOPERM", "No permissions to access a channel"), "allow this user the channel, with a pattern such as &*"),
    ("BGSAVE", ErrorReply("ERR", "Background save already in progress"), ""),
])
def test_what_to_allow(command: str, reply: ErrorReply, allow: str) -> None:
    assert what_to_allow(command, reply) == allow
    assert explained(command, reply) == (f"{reply}: {allow}" if allow else str(reply))
    assert (CommandRefused(command, reply, where="192.0.2.7:6379").hint or "").lower() == (f"{allow}." if allow else "")
