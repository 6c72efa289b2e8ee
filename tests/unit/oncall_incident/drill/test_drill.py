# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill says, who may be broken, and how it is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from oncall_incident.drill import cards, definition, executions, hosts, score
from oncall_incident.drill.definition import Expected, Round
from oncall_incident.drill.executions import acts
from oncall_incident.drill.severity import Severity
from oncall_incident.errors import Stop
from oncall_incident.evidence import policy

ROOT = Path(__file__).resolve().parents[4]
PART = Round(
    name="blocked", faults=[{"fault": "pg_sessions", "hosts": "app"}], findings=["blocking"],
    actions=[Expected(verb="terminate", target={"application_name": "drill-*"})],
)


SEVERITY = Severity((POLICY := policy.load("default")), POLICY.require("SEV1"))


def written(tmp_path: Path, **changes: Any) -> Path:
    data: dict[str, Any] = {
        "description": "d", "scenario": "db-recovery",
        "rounds": [{"name": "r", "faults": [{"fault": "f", "hosts": "app"}], "findings": ["blocking"], "actions": [{"verb": "terminate"}]}],
        **changes,
    }
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))
    return path


def test_the_drills_that_are_shipped_can_be_read_and_their_faults_are_there() -> None:
    drills = definition.listed(ROOT)
    assert "db-recovery" in [one.name for one in drills]
    for one in drills:
        assert (ROOT / "playbooks" / f"{one.scenario.replace('-', '_')}.yml").is_file(), one.name
        for part in one.rounds:
            for fault in part.faults:
                assert (ROOT / "roles" / "drill" / "templates" / "faults" / f"{fault['fault']}.j2").is_file(), fault
    for scenario in (ROOT / "molecule").glob("*/inventory/hosts.yml"):
        assert scenario.parent.parent.name in [one.name for one in drills]


@pytest.mark.parametrize(("changes", "said"), [
    ({"scenario": None}, "scenario is missing"), ({"rounds": []}, "rounds is empty"), ({"rouds": []}, "unknown keys: rouds"),
    ({"targets": {"detect": "soon"}}, "targets.detect"), ({"targets": {"defect": "1m"}}, "unknown keys: defect"),
    ({"rounds": [{"name": "r"}]}, "faults is missing"), ({"rounds": "x"}, "is not a drill"),
    ({"rounds": [{"name": "r", "faults": [{"fault": "f"}], "findings": [], "actions": []}]}, "hosts is missing"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "interrupt": "earthquake"}]}, "earthquake"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "interrupt_at": "x"}]}, "interrupt_at wants interrupt"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "afterwards": [{"name": "x", "hosts": "app"}]}]},
     "command is missing"),
])
def test_a_file_that_is_no_drill_names_what_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Stop) as raised:
        definition.load(written(tmp_path, **changes))
    assert said in raised.value.message


def test_a_drill_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Stop) as raised:
        definition.choose("db-recovry", collection=ROOT, cwd=tmp_path)
    assert "Did you mean db-recovery?" in raised.value.hint
    with pytest.raises(Stop, match=r"mine\.yml: there is no such file"):
        definition.choose("mine.yml", collection=ROOT, cwd=tmp_path)
    assert definition.choose(str(written(tmp_path)), collection=ROOT, cwd=tmp_path).rounds[0].name == "r"


def test_a_controller_is_killed_at_the_act_that_the_round_names() -> None:
    # A task that its condition will skip begins like any other, and nothing would be interrupted there.
    skipped = {"type": "intent", "phase": "mitigate", "action": "oncall.incident.redis_repair", "args": {"approved": "omit"}}
    clears = {**skipped, "action": "oncall.incident.redis_cache_clear"}
    assert acts(skipped) and acts(clears)
    assert not acts(skipped, at="oncall.incident.redis_cache_clear") and acts(clears, at="oncall.incident.redis_cache_clear")
    for other in ({"type": "result"}, {"phase": "investigate"}, {"check_mode": True}):
        assert not acts({**clears, **other}, at="oncall.incident.redis_cache_clear")


INVENTORY: dict[str, Any] = {
    "drillable": {"hosts": ["db1"], "children": ["apps"]}, "apps": {"hosts": ["app1"]}, "app": {"hosts": ["app1", "app9"]},
    "_meta": {"hostvars": {"db1": {}, "app1": {}}},
}


def test_hosts_that_may_be_broken() -> None:
    assert hosts.allowed(INVENTORY) == ["app1", "db1"]


@pytest.mark.parametrize(("changes", "said"), [
    ({"drillable": {}}, "No host of this inventory may be broken"),
    ({"production": {"hosts": ["db1"]}}, "production: db1"),
    ({"production": {"children": ["apps"]}}, "production: app1"),
    ({"_meta": {"hostvars": {"app1": {"drill_production": True}}}}, "production: app1"),
    ({"_meta": {"hostvars": {"app1": {"drill_production": "yes"}}}}, "production: app1"),
])
def test_hosts_that_must_not_be_broken(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Stop) as raised:
        hosts.allowed({**INVENTORY, **changes})
    assert said in raised.value.message


def test_faults_that_would_reach_nobody() -> None:
    faults = [{"fault": "f", "hosts": name} for name in ("app", "db1", "cache", "app9")]
    assert hosts.missing(INVENTORY, faults, ["db1", "app1"]) == ["app9", "cache"]
    assert hosts.missing(INVENTORY, faults, ["db1"]) == ["app", "app9", "cache"]


def test_a_limit_only_takes_hosts_away() -> None:
    """As ansible-inventory --limit 'web1,db9' says it: db9 is no host to break."""
    assert hosts.chosen(["app1", "db1"], {"_meta": {"hostvars": {"db9": {}}}, "db": {"hosts": ["db1", "db9"]}}) == ["db1"]
    with pytest.raises(Stop, match="leaves none of the hosts"):
        hosts.chosen(["app1", "db1"], {"_meta": {"hostvars": {"db9": {}}}})


def test_a_production_host_under_another_name_is_found() -> None:
    twin = {
        "_meta": {"hostvars": {"db1": {"ansible_host": "192.0.2.1"}, "pay1": {"ansible_host": "192.0.2.1"}}},
        "production": {"hosts": ["pay1"]},
    }
    with pytest.raises(Stop) as raised:
        hosts.allowed({**INVENTORY, **twin})
    assert "production: db1" in raised.value.message


@pytest.mark.parametrize(("host", "action", "fits"), [
    ("db1", {"verb": "terminate", "target": {"application_name": "drill-holder"}}, True),
    ("db1", {"verb": "terminate", "target": {"application_name": "checkout"}}, False),
    ("db1", {"verb": "terminate", "target": {}}, False),
    ("db1", {"verb": "restart_service", "target": {"application_name": "drill-holder"}}, False),
])
def test_what_nothing_expected(host: str, action: dict[str, Any], fits: bool) -> None:
    assert (score.unexpected(PART, [(host, action)]) == []) is fits
    elsewhere = Expected(verb="terminate", target={}, host="db2")
    assert not score.matches(elsewhere, host=host, action=action)


def test_only_what_is_wrong_is_seen_as_the_fault() -> None:
    found = [{"check": "blocking", "status": "ok"}, {"check": "timeouts", "status": "critical"}, {"check": "blocking", "status": "unknown"}]
    assert score.detected(PART, found) == []
    assert score.detected(PART, [*found, {"check": "blocking", "status": "warning"}]) == ["blocking"]


def test_a_demanded_check_that_was_not_measured_is_no_steady_state() -> None:
    found = [{"host": "db1", "check": "blocking", "status": "ok"}, {"host": "db1", "check": "replication", "status": "ok"}]
    checks = ["blocking", "replication", "connections"]
    assert score.unsteady(found, checks=checks, demanded=["replication"]) == (["blocking", "replication"], [])
    assert score.unsteady(found[:1], checks=checks, demanded=["replication"]) == (["blocking"], ["replication was not measured"])
    lagging = [*found, {"host": "db1", "check": "replication", "status": "warning"}]
    assert score.unsteady(lagging, checks=checks, demanded=["replication"])[1] == ["db1: replication is warning"]


def test_what_was_begun_is_what_was_done_and_what_never_answered() -> None:
    done = [{"verb": "terminate", "outcome": "gone"}, {"verb": "terminate", "outcome": "gone"}]
    assert score.begun(done, [{"task": "Act", "host": "db1"}]) == ["terminate gone", "unknown: Act on db1"]
    # Who was not reached may never have been told anything.
    assert score.begun([], []) == []


def test_differences_name_what_changed_and_are_bounded() -> None:
    assert score.differences(["a", "b"], ["b", "c"]) == ["- a", "+ c"]
    assert score.differences(["a"], ["a"]) == []
    assert score.differences([str(n) for n in range(30)], [])[-1] == "and 20 more"


def test_nothing_measured_is_no_pass() -> None:
    assert not score.Scored(name="x", steps=[], times={}).passed
    assert not score.timing("detect", None, 60).ok
    assert not score.timing("detect", 61, 60).ok and score.timing("detect", 59, 60).ok
    part = score.Scored(name="x", steps=[score.Step("a", True)], times={})
    common: dict[str, Any] = {
        "drill": "d", "scenario": "s", "started": "2026-01-02T03:04:05Z", "ended": "2026-01-02T03:05:05Z", "by": "x", "hosts": ["db1"],
        "targets": {"detect": 60.0, "mitigate": 60.0, "recover": 60.0}, "versions": {}, "severity": SEVERITY.as_dict(),
    }
    assert score.card(**common, rounds=[part], complete=True)["passed"]
    assert not score.card(**common, rounds=[part], complete=False)["passed"]
    assert not score.card(**common, rounds=[], complete=True)["passed"]


def test_times_are_held_against_what_the_policy_promises() -> None:
    quick, slow = SEVERITY.steps({"detect": 60.0, "mitigate": None, "recover": 5 * 3600.0})
    assert quick.ok and quick.name == "response of default SEV1"
    assert not slow.ok and slow.name == "resolution of default SEV1" and "target 14400 s" in slow.detail
    assert not SEVERITY.steps({"detect": None, "mitigate": None, "recover": None})[0].ok
    # A level whose response is the next working day has no hours to be held to.
    assert "detect" not in Severity(POLICY, POLICY.require("SEV4")).limits()


def test_cards_are_kept_and_a_trend_shows(tmp_path: Path) -> None:
    for number, seconds in enumerate((5.0, 7.0), start=1):
        part = score.Scored(name="blocked", steps=[score.Step("a | b", True, "<x>")], times={"detect": seconds, "mitigate": None})
        made = score.card(
            drill="d", scenario="s", started=f"2026-01-0{number}T03:04:05Z", ended="", by="x", hosts=["db1"], rounds=[part], complete=True,
            targets={"detect": 60.0, "mitigate": 60.0, "recover": 60.0}, versions={}, severity=SEVERITY.as_dict(),
        )
        data, page = cards.keep(tmp_path, made)
    (data.parent / "broken.json").write_text("{")
    assert len(cards.history(tmp_path, "d")) == 2
    text = page.read_text()
    assert "## Trend" in text and "median of 2 drills" in text and "6.0s" in text
    assert "| from the fault to | measured | target | default SEV1 |" in text and "| detect | 7.0s | 1m | 15m |" in text
    assert "a \\| b" in text and "<x>" not in text


def test_the_run_to_kill_is_ones_own() -> None:
    events = [{"type": "segment.open", "pid": 7}, {"type": "run.open"}]
    assert executions.begun_by(7, events)
    assert not executions.begun_by(8, events) and not executions.begun_by(7, [])
