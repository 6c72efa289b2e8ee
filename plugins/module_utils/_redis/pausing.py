# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server holds writes back that does not tell of it, found out without a write.

CLIENT PAUSE WRITE holds back all that might be replicated, and that is PFCOUNT too: it may store what it counted. Of a name that nobody
uses it counts nothing, stores nothing and makes no key, so that it can be asked in check mode as well. Dragonfly does not hold it back, so
that it is asked for DEL of such a name.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import secrets

from .._core.errors import CannotReach
from .args import Way
from .connection import Client, CommandRefused
from .decisions.absent import harmless_write
from .decisions.facts import Facts
from .decisions.state import HARMLESS_WRITE, PROBE_PREFIX, pause_untold
from .gather import reason
from .resp import ErrorReply, Reply

#: How long an answer may take, seconds. Twice without one, and with an answer to PING between them, is held back.
_PATIENCE = 2.0
#: How many names are asked for at once. In a cluster a node answers for those of its slots only, and more are tried until one is.
_ONE, _IN_A_CLUSTER = (1,), (20, 1000, 4000)


def ask_whether_held_back(client: Client, way: Way, facts: Facts) -> None:
    """Note in the facts whether writes are held back, where the server does not tell by itself.

    Args:
        client: the connection on which the facts were read; it is closed where it gets no answer.

    Raises:
        CannotReach: the server answers nothing at all by now.
    """
    patience = min(_PATIENCE, way.socket_timeout)
    if not pause_untold(facts) or _answers(client, facts, patience=patience):
        return
    # A server that was busy for a moment answers the second time.
    for last in (False, True):
        with way.open(client.deadline, login=client.login) as other:
            other.replies([("PING",)])
            if not last and _answers(other, facts, patience=patience):
                return
    facts.held_back = True


def _answers(client: Client, facts: Facts, *, patience: float) -> bool:
    try:
        _ask(client, facts, patience=patience)
    except CannotReach as exc:
        if exc.facts.get("error") != "frozen":
            raise
        return False
    return True


def _ask(client: Client, facts: Facts, *, patience: float) -> None:
    command = harmless_write(facts.after)
    for count in _IN_A_CLUSTER if facts.is_cluster else _ONE:
        commands = [(command, PROBE_PREFIX + secrets.token_hex(8)) for _number in range(count)]
        own = [reply for reply in client.replies(commands, timeout=patience) if not _is_elsewhere(reply)]
        if own:
            _note(facts, command, own[0], where=client.where)
            return
    # A node without a slot takes no writes that it could hold back.


def _note(facts: Facts, command: str, reply: Reply, *, where: str) -> None:
    """What is answered was not held back; only a refusal of the command itself says nothing."""
    if isinstance(reply, ErrorReply):
        refused = CommandRefused(command, reply, where=where)
        if refused.not_permitted:
            facts.denied[HARMLESS_WRITE] = reason(refused)
            return
    facts.held_back = False


def _is_elsewhere(reply: Reply) -> bool:
    return isinstance(reply, ErrorReply) and reply.code in ("MOVED", "ASK")
