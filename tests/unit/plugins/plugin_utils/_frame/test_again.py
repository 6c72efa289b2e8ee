# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A decision is made again from its reading, or it is said why not."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import Sight
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend, PreparedTransaction
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.protection import Policy
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.rules import parse_rules
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.termination import sight
from ansible_collections.oncall.incident.plugins.module_utils._redis.decisions import clients
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import NotAgain, again, of_event
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader
from ansible_collections.oncall.incident.plugins.plugin_utils._record.blobs import spill
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

SECRET = "zeppelin-quartz-91"


def sessions(
    *, query: str = "SELECT 1", strategy: str = "escalate", rule: dict[str, Any] | None = None, prepared: tuple[Any, ...] = (), **more: Any,
) -> Sight[Any]:
    backends = [
        Backend(pid=pid, backend_start=f"b{pid}", user="app", state="active", query=query, query_start=f"q{pid}", query_age=100.0,
                xact_start=f"x{pid}", transaction_age=age, **more) for pid, age in ((41, 5.0), (42, 200.0), (43, 1.0))
    ]
    return sight(
        backends, prepared, rules=tuple(parse_rules([{"min_query_age": 10, "min_transaction_age": 60, **(rule or {})}])),
        policy=Policy(own_pid=1), usable_connections=100, budget=Budget(max_count=3, max_percent=100.0), strategy=strategy,
        rollback_prepared=bool(prepared), prepared_min_age=1.0, resource="pg:77",
    )


def recorded(seen: Sight[Any], **engine: Any) -> dict[str, Any]:
    """The reading as a record has it: redacted, and through JSON."""
    assert seen.basis is not None
    redactor = Redactor(key=b"k" * 32)
    redactor.learn(SECRET)
    clean, _removed = redactor.clean({"result": {"reading": seen.basis.as_reading(**{"approved": None, **engine})}})
    text = json.dumps(clean)
    assert SECRET not in text
    return dict(json.loads(text)["result"]["reading"])


def test_a_secret_in_a_query_is_not_in_the_record_and_the_decision_is_the_same() -> None:
    seen = sessions(query=f"SELECT crypt('{SECRET}', salt) FROM users")
    assert again(recorded(seen)).actions == {one.action.id: "planned" for one in seen.candidates}
    assert len(seen.candidates) == 3


QUERIES = (
    "SELECT 1", "  /* a */ ALTER ROLE x PASSWORD 'y'", "SELECT pg_backup_start('x')", "SELECT 1 /* incident:keep */",
    "VACUUM t -- incident:keep", "SELECT 1; CHECKPOINT", "",
)


@pytest.mark.parametrize("query", QUERIES)
def test_no_text_is_kept_that_no_rule_reads(query: str) -> None:
    seen = sessions(query=query)
    reading = recorded(seen)
    assert again(reading).actions == {one.action.id: "planned" for one in seen.candidates}
    [kept] = {one.get("query", "") for one in reading["given"]["backends"]}
    assert reading["complete"] and not [word for word in ("SELECT", "ROLE", "CHECKPOINT", "'y'") if word in kept]


@pytest.mark.parametrize("rule", [
    {"query": "from orders"}, {"exclude_query": "from orders"}, {"client_addresses": ["192.0.2.0/24", "local"]},
])
def test_what_a_rule_reads_is_kept_as_it_is_shown(rule: dict[str, Any]) -> None:
    for query in ("SELECT * FROM orders", "SELECT 'password'; ALTER ROLE x PASSWORD 'hunter-22'"):
        seen = sessions(query=query, rule=rule, client_addr="192.0.2.7")
        reading = recorded(seen)
        assert again(reading).actions == {one.action.id: "planned" for one in seen.candidates}
        assert "hunter-22" not in json.dumps(reading)


def test_a_text_whose_end_decides_cannot_be_decided_again() -> None:
    for query in ("SELECT 1, " + "x" * 5000 + " FROM orders", "SELECT 1, " + "x" * 5000 + " /* incident:keep */"):
        reading = recorded(sessions(query=query, rule={"query": "orders|incident"}))
        assert (reading["complete"], reading["left_out"]) == (False, {"queries": 3}) and len(json.dumps(reading)) < 5000
        with pytest.raises(NotAgain, match="queries"):
            again(reading)


def test_sessions_of_a_kind_are_still_of_a_kind() -> None:
    """PostgreSQL 13 has no query_id."""
    rule = {"group_by": "query_id", "min_group_size": 3}
    for query_id in (None, 77):
        seen = sessions(query="SELECT card FROM payments WHERE id = 4111", query_id=query_id, rule=rule)
        reading = recorded(seen)
        assert len(seen.candidates) == 3 and again(reading).actions == {one.action.id: "planned" for one in seen.candidates}
        assert "payments" not in json.dumps(reading)


def test_who_finishes_a_prepared_transaction_is_still_known() -> None:
    one = PreparedTransaction(gid="it's", transaction="9", prepared="p", owner="app", database="shop", age=100.0)
    waits = {"wait_event_type": "IPC", "wait_event": "SyncRep"}
    seen = sessions(query="INSERT INTO cards VALUES (4111); PREPARE TRANSACTION 'it''s'", prepared=(one,), **waits)
    reading = recorded(seen)
    assert again(reading).actions == {seen.candidates[0].action.id: "refused"} and "4111" not in json.dumps(reading)
    told = sessions(query="INSERT INTO cards VALUES (4111)", prepared=(one,), **waits)
    assert again(recorded(told)).actions == {told.candidates[0].action.id: "planned"}


def test_a_part_of_a_candidate_may_be_approved() -> None:
    seen = sessions()
    both = next(one for one in seen.candidates if len(one.target.clocks) == 2)
    first, second = both.target.ids(verb=both.action.verb, resource="pg:77")
    found = again(recorded(seen, approved=[second])).actions or {}
    assert found[second] == "planned" and first not in found and sorted(found.values()) == ["planned", "refused", "refused"]


def idle(*, approved: list[str] | None, most: int) -> Sight[Any]:
    listed = clients.parse_clients("\n".join(f"id={number} addr=192.0.2.4:{number} flags=N idle={number}" for number in (7, 8, 9)))
    return clients.sight(
        listed, rule=clients.KillRule(min_idle=1.0), policy=clients.KillPolicy(own_id=1), budget=Budget(max_count=most, max_percent=None),
        approved=approved, resource="redis:a",
    )


def test_the_limits_hold_again() -> None:
    found = again(recorded(idle(approved=None, most=2))).actions or {}
    assert list(found.values()) == ["planned", "planned"], "the third is left alone"
    ids = [one.action.id for one in idle(approved=None, most=9).candidates]
    reading = recorded(idle(approved=ids, most=2), approved=ids)
    found = again(reading).actions or {}
    assert sorted(found.values()) == ["planned", "planned", "refused"]
    assert json.dumps(reading).count(ids[0]) == 1, "what is approved is told once"


@pytest.mark.parametrize(("change", "said"), [
    ({"version": 2}, "version 2"), ({"of": "shelf"}, "shelf"), ({"complete": False, "left_out": {"backends": 900}}, "backends (900)"),
    ({"given": {}}, "does not fit"), ({"given": {"colour": "red"}}, "colour"),
])
def test_what_cannot_be_decided_again_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(NotAgain) as refused:
        again({**recorded(sessions()), **change})
    assert said in refused.value.message and refused.value.hint


def test_what_the_redactor_took_from_a_number_is_said() -> None:
    reading = recorded(sessions())
    reading["given"]["backends"][0]["pid"] = "[redacted:6f1d2a90b3c4]"
    with pytest.raises(NotAgain, match=r"backends\.pid"):
        again(reading)


def test_an_event_without_a_reading() -> None:
    for event in ({"seq": 3, "result": {}}, {"seq": 3}, {"seq": 3, "result": {"reading": {"$blob": {}}}}):
        with pytest.raises(NotAgain, match="event 3"):
            of_event(event)
    reading = recorded(sessions())
    assert of_event({"seq": 3, "result": {"reading": reading}}) == again(reading)


@pytest.mark.parametrize("beside", [{}, {"stdout": "x" * 200_000}, {f"part{number}": "x" * 9000 for number in range(9)}])
def test_a_reading_that_the_writer_put_into_a_blob(beside: dict[str, str], tmp_path: Path) -> None:
    queries = {"queries": ["x" * 30] * 1700} if beside else {"queries": []}
    reading = {**recorded(sessions()), **queries}
    event = {"seq": 3, **spill(tmp_path, {"result": {"reading": reading, **beside}})}
    assert of_event(event, blob=partial(reader.blob, tmp_path)) == again(reading)
    if len(beside) > 1:
        assert "$blob" in event["result"]
        with pytest.raises(NotAgain, match="event 3: it is kept in a blob"):
            of_event(event)
        layout.blob_path(tmp_path, event["result"]["$blob"]["sha256"]).unlink()
        with pytest.raises(NotAgain, match="cannot be read"):
            of_event(event, blob=partial(reader.blob, tmp_path))
