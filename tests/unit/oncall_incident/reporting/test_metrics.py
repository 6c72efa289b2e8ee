# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times to milestones, against targets, as distributions; nothing is stored twice."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from oncall_incident.evidence import model, policy, times
from oncall_incident.evidence.store import Store
from oncall_incident.reporting import metrics, metrics_text
from oncall_incident.reporting.measures import measure
from tests.support.incidents import BEGIN, make_store

NOW = BEGIN + timedelta(days=400)


def state(*milestones: tuple[str, float], severity: str = "P0", alerted: float | None = 0.0, closed: float | None = None) -> model.State:
    """An incident of policy chitlaq: minutes since BEGIN by milestone."""

    def moment(minutes: float) -> str:
        return times.text(BEGIN + timedelta(minutes=minutes))

    rules = policy.load("chitlaq")
    events: list[dict[str, object]] = [
        {"type": "opened", "run": "INC-1", "title": "t", "severity": severity, "at": moment(2), "policy": dict(rules.data)},
    ]
    if alerted is not None:
        events.append({"type": "milestone", "name": "alerted", "at": moment(alerted)})
    events += [{"type": "milestone", "name": name, "at": moment(minutes)} for name, minutes in milestones]
    if closed is not None:
        events.append({"type": "closed", "at": moment(closed), "resolution": "r"})
    return model.fold(events)


def seconds(found: model.State) -> dict[str, float | None]:
    row = measure(found, now=NOW)
    assert row is not None
    return {name: item.seconds for name, item in row.measures.items()}


def test_acknowledging_counts_from_the_alert_and_the_rest_from_the_detection() -> None:
    found = seconds(state(("detected", -10), ("acknowledged", 5), ("mitigated", 20), ("verified", 25), ("resolved", 50)))
    assert found == {"acknowledge": 300, "mitigate": 1800, "verify": 2100, "resolve": 3600}


def test_without_an_alert_the_opening_counts() -> None:
    assert seconds(state(("acknowledged", 5), alerted=None))["acknowledge"] == 180


def run_of(outcome: str, **more: object) -> list[dict[str, object]]:
    about = {"record": "r1", "scenario": "db-recovery", "at": times.text(BEGIN)}
    return [{"type": "run.started", **about}, {"type": "run.ended", **about, "outcome": outcome, "exit_status": 0, **more}]


def hosts(well: str, unwell: str = "") -> dict[str, object]:
    return {"hosts": {"well": well.split(), "unwell": unwell.split()}}


@pytest.mark.parametrize(("outcomes", "resolved", "counts"), [
    (["planned"], False, False), (["bad_input"], False, False), (["planned", "bad_input"], False, False), (["planned"], True, True),
    (["planned", "recovered"], False, True), (["nothing_to_do"], False, True), ([], False, True),
])
def test_an_incident_in_which_only_was_looked_has_no_times_and_does_not_count(outcomes: list[str], resolved: bool, counts: bool) -> None:
    found = state(("acknowledged", 5), *([("resolved", 30.0)] if resolved else []))
    for number, outcome in enumerate(outcomes):
        for event in run_of(outcome):
            model.add(found, {**event, "record": f"r{number}"})
    model.add(found, {"type": "closed", "at": times.text(BEGIN + timedelta(minutes=40)), "resolution": "r"})
    row = measure(found, now=NOW)
    assert row is not None and row.counts is counts
    assert any(item.seconds is not None or item.state for item in row.measures.values()) is counts
    assert metrics.overall([row]).incidents == len(metrics.groups([row], by="severity")) == int(counts)


@pytest.mark.parametrize(("runs", "resolves"), [
    ([("db-recovery", "recovered")], True),
    ([("db-recovery", "not_recovered")], False),
    ([("db-recovery", "not_recovered"), ("db-recovery", "planned")], False),
    ([("db-recovery", "not_recovered"), ("db-recovery", "nothing_to_do")], True),
    ([("db-recovery", "recovered"), ("redis-recovery", "failed")], False),
    ([("db-recovery", "recovered"), ("db-recovery", "")], False),
    ([("deploy", "not judged")], False),
    ([("db-recovery", "recovered"), ("undo", "failed")], True),
    ([], False),
    ([("db-recovery", "bad_input"), ("undo", "recovered")], False),
    ([("db-recovery", "recovered"), ("db-recovery", "planned")], False),
    ([("db-recovery", "planned"), ("db-recovery", "recovered")], True),
])
@pytest.mark.parametrize("stated", [False, True])
def test_closing_does_not_resolve_what_the_last_run_did_not_measure(runs: list[tuple[str, str]], resolves: bool, stated: bool) -> None:
    found = state(("acknowledged", 5), *([("resolved", 30.0)] if stated else []))
    for number, (scenario, outcome) in enumerate(runs):
        for event in run_of(outcome):
            model.add(found, {**event, "record": f"r{number}", "scenario": scenario})
    model.add(found, {"type": "closed", "at": times.text(BEGIN + timedelta(minutes=40)), "resolution": "r"})
    row = measure(found, now=NOW)
    assert row is not None and (row.measures["resolve"].seconds is not None) is (resolves or stated)
    assert (row.measures["resolve"].state == "overdue") is not (resolves or stated)


@pytest.mark.parametrize(("runs", "left"), [
    ([("not_recovered", hosts("", "db1 db2")), ("recovered", hosts("db1"))], "not recovered: db2"),
    ([("not_recovered", hosts("", "db1 db2")), ("recovered", hosts("db1")), ("nothing_to_do", hosts("db2"))], None),
    ([("not_recovered", hosts("db1", "db2")), ("recovered", hosts("db2"))], None),
    ([("planned", hosts("", "db1")), ("recovered", hosts("db1")), ("planned", hosts("", "db1"))], "planned: db1"),
    ([("not_recovered", {}), ("recovered", hosts("db1"))], None),
    ([("not_recovered", hosts("", "db1 db2")), ("recovered", {})], None),
    ([("failed", hosts("", "")), ("recovered", hosts("db1"))], None),
    ([("recovered", hosts("db1")), ("", {})], "without an end"),
])
def test_a_run_speaks_for_the_hosts_that_it_measured(runs: list[tuple[str, dict[str, object]]], left: str | None) -> None:
    found = state()
    for number, (outcome, more) in enumerate(runs):
        for event in run_of(outcome, **more):
            model.add(found, {**event, "record": f"r{number}"})
    assert found.measured and found.not_recovered == ({"db-recovery": left} if left else {})


@pytest.mark.parametrize(("source", "counts"), [("auto", False), ("manual", True)])
def test_a_milestone_of_a_run_is_not_reached_while_a_later_run_says_otherwise(source: str, counts: bool) -> None:
    found = state()
    for event in (*run_of("recovered", **hosts("db1")), *(
        {"type": "milestone", "name": name, "at": times.text(BEGIN), "source": source} for name in ("mitigated", "verified", "resolved")
    )):
        model.add(found, event)
    assert found.status == "resolved"
    for event in run_of("not_recovered", **hosts("", "db2")):
        model.add(found, {**event, "record": "r2"})
    assert (found.status == "resolved", seconds(found)["verify"] is not None, seconds(found)["resolve"] is not None) == (counts,) * 3
    for event in run_of("recovered", **hosts("db2")):
        model.add(found, {**event, "record": "r3"})
    assert found.status == "resolved", "all of them are measured now"


def test_while_it_goes_on_an_incident_counts_whatever_its_runs_did() -> None:
    found = state(("acknowledged", 5))
    for event in run_of("planned"):
        model.add(found, event)
    row = measure(found, now=NOW)
    assert row is not None and row.counts and row.measures["resolve"].state == "overdue"


def test_what_was_not_reached_has_no_time_and_closing_resolves_what_was_measured() -> None:
    assert seconds(state()) == {"acknowledge": None, "mitigate": None, "verify": None, "resolve": None}
    assert seconds(state(closed=30))["resolve"] is None, "nobody measured that it is over, and nobody said so"
    found = state(closed=30)
    for event in run_of("recovered"):
        model.add(found, event)
    assert seconds(found)["resolve"] == 1800


def test_a_later_milestone_corrects_an_earlier_one() -> None:
    assert seconds(state(("acknowledged", 50), ("acknowledged", 5)))["acknowledge"] == 300


@pytest.mark.parametrize(("reached", "now", "wanted"), [
    ([("acknowledged", 15)], 400, "met"), ([("acknowledged", 16)], 400, "missed"), ([], 400, "overdue"), ([], 10, "pending"),
])
def test_against_the_target_of_fifteen_minutes(reached: list[tuple[str, float]], now: float, wanted: str) -> None:
    row = measure(state(*reached), now=BEGIN + timedelta(minutes=now))
    assert row is not None and row.measures["acknowledge"].state == wanted and row.measures["acknowledge"].target == 900
    assert row.measures["mitigate"].state == ""  # no guide has a target for it


def test_an_incident_without_a_beginning_has_no_row() -> None:
    assert measure(model.State(), now=NOW) is None


@pytest.mark.parametrize(
    ("values", "p90"), [([1.0], 1.0), ([1.0, 2.0], 2.0), (list(map(float, range(1, 11))), 9.0), (list(map(float, range(1, 12))), 10.0)]
)
def test_nine_of_ten_is_a_time_that_was_measured(values: list[float], p90: float) -> None:
    assert metrics.nearest_rank(values, 0.9) == p90


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("home"), 12, runs=False)


def test_groups(store: Store) -> None:
    found = list(metrics.rows(store, now=NOW))
    assert len(found) == 12
    by_severity = metrics.groups(found, by="severity")
    assert [(group.name, group.incidents) for group in by_severity] == [("P0", 3), ("P1", 3), ("P2", 3), ("P3", 3)]
    assert sum(group.incidents for group in metrics.groups(found, by="month")) == 12
    assert {group.name for group in metrics.groups(found, by="scenario")} == {
        "db-recovery", "redis-recovery", "certificate-renewal", "firewall-unblock"}
    assert {group.name: group.incidents for group in metrics.groups(found, by="service")} == {"api": 12, "db": 12}
    everything = metrics.overall(found).spreads["resolve"]
    assert everything.count + everything.waiting == 12 and everything.median is not None and everything.p90 is not None
    assert everything.least is not None and everything.most is not None
    assert everything.least <= everything.median <= everything.p90 <= everything.most


def test_since(store: Store) -> None:
    everything = list(metrics.rows(store, now=NOW))
    half = everything[6].began
    assert [row.id for row in metrics.rows(store, since=half, now=NOW)] == [row.id for row in everything[6:]]


def test_it_is_derived_each_time_and_writes_nothing(store: Store) -> None:
    def listing() -> dict[str, float]:
        return {str(path): path.stat().st_mtime_ns for path in Path(store.home).rglob("*")}

    before = listing()
    first = metrics_text.as_json(list(metrics.rows(store, now=NOW)))
    assert first == metrics_text.as_json(list(metrics.rows(store, now=NOW))) and listing() == before


def test_json(store: Store) -> None:
    found = json.loads(metrics_text.as_json(list(metrics.rows(store, now=NOW))))
    assert len(found["incidents"]) == 12 and set(found["by"]) == {"severity", "scenario", "month"}
    assert set(found["all"]["time_to"]["resolve"]) >= {"median", "p90", "met", "missed"} and "mean" not in json.dumps(found)


def test_csv_has_a_line_for_each_incident_and_no_formula(store: Store) -> None:
    found = list(metrics.rows(store, now=NOW))
    found[0] = type(found[0])(**{**vars(found[0]), "title": "=HYPERLINK(1)", "severity": "a,\"b\n"})
    lines = list(csv.reader(io.StringIO(metrics_text.as_csv(found, by="incident"))))
    assert len(lines) == 13 and all(len(line) == len(lines[0]) for line in lines)
    assert lines[1][1] == "'=HYPERLINK(1)"


def test_prometheus_text(store: Store) -> None:
    found = list(metrics.rows(store, now=NOW))
    found[0] = type(found[0])(**{**vars(found[0]), "severity": 'P"0\\\n'})
    text = metrics_text.as_prometheus(found, by="severity")
    names = {line.partition("{")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names == {"oncall_incident_incidents", "oncall_incident_time_to_seconds", "oncall_incident_time_to_seconds_sum",
                     "oncall_incident_time_to_seconds_count", "oncall_incident_targets"}
    assert 'severity="P\\"0\\\\\\n"' in text and text.endswith("\n")
    for line in text.splitlines():
        assert line.startswith("#") or float(line.rpartition(" ")[2]) >= 0


@pytest.mark.parametrize("by", metrics.BY)
def test_tables_are_even(store: Store, by: str) -> None:
    table = metrics_text.table(list(metrics.rows(store, now=NOW)), by=by)
    assert len({len(row) for row in table}) == 1


def test_an_empty_store_has_metrics_too(tmp_path: Path) -> None:
    found = list(metrics.rows(Store(tmp_path), now=NOW))
    assert found == [] and json.loads(metrics_text.as_json(found))["all"]["incidents"] == 0
    assert not os.listdir(tmp_path)
