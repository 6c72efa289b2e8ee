# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module about Redis needs: rules of an ACL user. docs/rights.md shows them.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from .._core.rights import ACL, CHANGE, FILE, LOOK, Chapter, Needs, Right
from .decisions.clearing import CLEAR, FLUSH
from .decisions.clients import VERB as KILL
from .decisions.probe import CHECKS as PROBE_CHECKS
from .decisions.repairs import KILL as END
from .decisions.repairs import RAISE, REPOINT, RESTORE, SAVE
from .decisions.restart import CHECK as RESTART
from .decisions.state import PROBE_PREFIX
from .health import CHECKS

_NAME = Right(ACL, "+client|setname", (), "The connection has no name in CLIENT LIST.")
_PROBE_KEYS, _CLEARED_KEYS = f"~{PROBE_PREFIX}*", "~<pattern>"
_OF_DATA = tuple(name for name in CHECKS if name not in ("cluster", "sentinel", "nodes"))
_UNKNOWN = "The checks are `unknown`, `could_not_look`."
_UNTOLD = "INFO does not tell of a pause (paused_actions), as before Valkey 8.1; on Dragonfly it is +del"
_NO_SAMPLE = "No keys are sampled; which share has no time to live is then what INFO counts."
_NOT_DONE = "The module fails with `command_refused`, and nothing was done."
_NOT_SEEN = "The action is `refused`, `cannot_look`."
_REFUSED = "The action is `not_permitted`."


def _info(*verbs: str) -> Right:
    return Right(ACL, "+info", verbs, _NOT_DONE)


_NEEDS = (
    Needs("redis_health", LOOK, CHECKS, (
        Right(ACL, "+ping", ("availability", "writes", "latency"), _UNKNOWN),
        Right(ACL, "+info", tuple(name for name in _OF_DATA if name not in ("availability", "latency", "slow_log")), _UNKNOWN),
        Right(ACL, "+config|get", ("persistence", "latency_events"), _UNKNOWN),
        Right(ACL, "+slowlog|get", ("slow_log",), _UNKNOWN),
        Right(ACL, "+latency|latest", ("latency_events",), _UNKNOWN, when="the latency monitor is on"),
        Right(ACL, "+select", (), _NO_SAMPLE, when="keys are in another database than 0"),
        *(Right(ACL, grant, (), _NO_SAMPLE) for grant in ("+scan", "+ttl", "~*")),
        Right(ACL, "+cluster|info", ("writes", "cluster"), _UNKNOWN, when="the server is a node of a cluster"),
        Right(ACL, "+cluster|nodes", ("cluster",), _UNKNOWN, when="the server is a node of a cluster"),
        Right(ACL, "+pfcount", ("writes",), _UNKNOWN, when=_UNTOLD, within=_PROBE_KEYS),
        *(Right(ACL, grant, of, _UNKNOWN, when="the server is a Sentinel", on="a Sentinel") for grant, of in (
            ("+sentinel|masters", ("sentinel", "nodes")), ("+sentinel|replicas", ("nodes",)), ("+sentinel|sentinels", ("nodes",)),
            ("+sentinel|ckquorum", ("sentinel",)),
        )),
        Right(FILE, "<server_log>: read", (), "The finding about a server that is down says what to grant, and not why it is down.",
              when="`server_log` is given"),
        _NAME,
    )),
    Needs("redis_probe", LOOK, PROBE_CHECKS, (
        Right(ACL, "+info", PROBE_CHECKS, _UNKNOWN),
        Right(ACL, "+set", PROBE_CHECKS, _UNKNOWN, within=_PROBE_KEYS),
        Right(ACL, "+get", ("probe_read",), _UNKNOWN, within=_PROBE_KEYS),
        Right(ACL, "+wait", ("probe_replication",), _UNKNOWN, when="replicas are attached"),
        Right(ACL, "+del", ("probe_delete",), _UNKNOWN, within=_PROBE_KEYS),
        Right(ACL, "+exists", ("probe_delete",), _UNKNOWN, within=_PROBE_KEYS),
        Right(ACL, _PROBE_KEYS, PROBE_CHECKS, _UNKNOWN),
        _NAME,
    )),
    Needs("redis_restart_check", LOOK, (RESTART,), (
        Right(ACL, "+info", (RESTART,), _UNKNOWN),
        Right(ACL, "+config|get", (RESTART,), _UNKNOWN, when="the server saves its keys"),
        Right(ACL, "+select", (RESTART,), _UNKNOWN, when="nothing saves the keys, and they are in another database than 0"),
        *(Right(ACL, grant, (RESTART,), _UNKNOWN, when="nothing saves the keys")
          for grant in ("+randomkey", "+pttl", "+scan", "+type", "~*")),
        _NAME,
    )),
    Needs("redis_client_kill", CHANGE, (KILL,), (
        _info(KILL),
        Right(ACL, "+client|id", (KILL,), _NOT_DONE),
        Right(ACL, "+client|list", (KILL,), _NOT_DONE),
        Right(ACL, "+client|kill", (KILL,), _REFUSED),
        _NAME,
    )),
    Needs("redis_cache_clear", CHANGE, (CLEAR, FLUSH), (
        _info(CLEAR, FLUSH),
        Right(ACL, "+select", (CLEAR, FLUSH), _NOT_DONE, when="the keys are in another database than 0"),
        Right(ACL, "+scan", (CLEAR, FLUSH), _NOT_DONE),
        Right(ACL, "+unlink", (CLEAR,), _REFUSED, within=_CLEARED_KEYS),
        Right(ACL, "+exists", (), "Whether keys were written again is not told.", when="a pattern is cleared", within=_CLEARED_KEYS),
        Right(ACL, _CLEARED_KEYS, (CLEAR,), _REFUSED, named="a pattern"),
        *(Right(ACL, grant, (FLUSH,), _NOT_DONE) for grant in ("+dbsize", "+randomkey", "+pttl", "+type")),
        *(Right(ACL, grant, (FLUSH,), _REFUSED) for grant in ("+multi", "+exec", "+flushdb")),
        Right(ACL, "+discard", (), "A transaction that failed is left open until the connection ends.", when="a database is flushed"),
        Right(ACL, "~*", (FLUSH,), _NOT_DONE),
        _NAME,
    )),
    Needs("redis_repair", CHANGE, (RAISE, RESTORE, SAVE, REPOINT, END), (
        _info(RAISE, RESTORE, SAVE, REPOINT),
        Right(ACL, "+config|get", (RAISE, RESTORE), _NOT_DONE),
        Right(ACL, "+config|set", (RAISE, RESTORE), _REFUSED),
        Right(ACL, "+time", (SAVE,), _REFUSED),
        Right(ACL, "+bgsave", (SAVE,), _REFUSED),
        Right(ACL, "+client|list", (REPOINT,), _NOT_SEEN),
        Right(ACL, "+pubsub|numsub", (REPOINT,), _NOT_SEEN),
        Right(ACL, "+replicaof", (REPOINT,), _REFUSED),
        Right(ACL, "+script|kill", (END,), _REFUSED),
        Right(ACL, "+function|kill", (END,), _REFUSED, when="it is a function"),
        _NAME,
    )),
)

CHAPTER = Chapter(2, "Redis and Valkey", _NEEDS, text="""
A user to look, and one to look and change, on Redis 7 and Valkey. A user who only looks can read no value but that of its probe key.
Before Redis 7 there are no selectors, which stand in brackets: give the probe a user of its own. Over a local socket the user who runs
the module must be one of its group.
""")
