# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever decides on a restart is told what it ends, loses and takes."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend, PreparedTransaction
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.facts import Facts, Request, Seen
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.restart_cost import UNSEEN, Cost, Open, cost_of, say

MIB = 2**20
MANY = Cost(
    connections=42, transactions=3, oldest=(Open("pid 7 app@shop (checkout)", 900.0), Open("pid 8 app@shop", 60.0)), untold=1, prepared=2,
    standbys=2, logical=2, archives=1, temporary=4, unlogged=1, replayed=312 * MIB, database="shop",
)


def test_everything_that_there_is_is_said() -> None:
    assert say(MANY) == (
        "It cuts 42 connections and rolls back 3 open transactions (oldest pid 7 app@shop (checkout) 15m; pid 8 app@shop 1m); of 1 session "
        "it cannot be seen whether a transaction is open. 2 prepared transactions are kept with all locks. To reconnect: 2 standbys, 2 "
        "logical receivers, 1 archive of WAL. 4 temporary tables of database shop are lost. 1 unlogged table of database shop would be "
        "emptied by an unclean stop. WAL since the last checkpoint, which a start after an unclean stop replays: 312 MiB."
    )


@pytest.mark.parametrize(("cost", "said"), [
    (None, UNSEEN),
    (Cost(connections=1, prepared=0, temporary=0, unlogged=0, replayed=0),
     "It cuts 1 connection. WAL since the last checkpoint, which a start after an unclean stop replays: 0 B."),
    (Cost(), "It cuts 0 connections. Not known: temporary and unlogged tables, the WAL to be replayed."),
])
def test_what_is_not_there_is_left_out_and_what_is_not_known_is_said(cost: Cost | None, said: str) -> None:
    assert say(cost) == said


def test_what_counts() -> None:
    sessions = [
        Backend(pid=1, user="app", database="shop", state="idle"),
        Backend(pid=2, user="app", database="shop", state="active", transaction_age=5.0),
        Backend(pid=3, user="app", database="shop", state="idle in transaction", transaction_age=900.0),
        Backend(pid=4, user="app", state="disabled"),
        Backend(pid=5, user="repl", backend_type="walsender"),
        Backend(pid=6, user=None, backend_type="autovacuum worker", transaction_age=10.0),
    ]
    facts = Facts(database="shop", server={"in_recovery": False}, prepared=(PreparedTransaction("g", "7", "when", "app", "shop", 9.0),))
    seen = Seen(facts, sessions, Request(checks=(), limits={}))
    receivers = [{"kind": kind} for kind in ("standby", "archive", "logical", "backup")]
    cost = cost_of(seen, receivers=receivers, stored={"temporary": 1})
    assert (cost.connections, cost.transactions, cost.untold, cost.prepared) == (4, 2, 1, 1)
    assert (cost.standbys, cost.logical, cost.archives) == (1, 1, 1)
    assert [one.age for one in cost.oldest] == [900.0, 5.0] and cost.oldest[0].named.startswith("pid 3 app@shop")
    assert (cost.temporary, cost.unlogged, cost.replayed) == (1, None, None)
