# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill says, who may be broken, and how it is scored."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import Finding
from ansible_collections.oncall.incident.plugins.plugin_utils._drill import faults
from ansible_collections.oncall.incident.plugins.plugin_utils._record.told import Seen

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
                assert faults.find(fault["fault"], roots=[]).description, fault
    for scenario in (ROOT / "molecule").glob("*/inventory/hosts.yml"):
        assert scenario.parent.parent.name in [one.name for one in drills]


@pytest.mark.parametrize(("changes", "said"), [
    ({"scenario": None}, "scenario is missing"), ({"rounds": []}, "rounds is empty"), ({"rouds": []}, "the drill: 'rouds' is not known"),
    ({"targets": {"detect": "soon"}}, "targets.detect"),
    ({"targets": {"defect": "1m"}}, "targets: 'defect' is not known. Did you mean detect?"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "at_least": "many"}]},
     "rounds[0].at_least: 'many' is not of type int"),
    ({"rounds": [{"name": "r"}]}, "rounds[0]: faults is missing"), ({"rounds": "x"}, "rounds is not a list"),
    ({"rounds": ["x"]}, "rounds[0] is not a mapping"),
    ({"severty": "SEV1"}, "the drill: 'severty' is not known. Did you mean severity?"),
    ({"rounds": [{"name": "r", "faults": [], "findings": "blocking", "actions": []}]}, "rounds[0].findings is not a list"),
    ({"rounds": [{"name": "r", "faults": [{"fault": "f", "hosts": "a", "parms": {}}], "findings": [], "actions": []}]},
     "rounds[0].faults[0]: 'parms' is not known. Did you mean params?"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [{"target": {}}]}]}, "rounds[0].actions[0]: verb is missing"),
    ({"rounds": [{"name": "r", "faults": [{"fault": "f"}], "findings": [], "actions": []}]}, "hosts is missing"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "interrupt": "earthquake"}]},
     "rounds[0].interrupt: 'earthquake' is not a valid value. It is controller or host."),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "interrupt_at": "x"}]}, "interrupt_at wants interrupt"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [], "afterwards": [{"name": "x", "hosts": "app"}]}]},
     "command is missing"),
    ({"rounds": [{"name": "r", "faults": [], "findings": [], "actions": [],
                  "afterwards": [{"name": "x", "hosts": "app", "command": "y", "says": "$(id)"}]}]}, "x: what it has to print is plain"),
    ({"state": {"files": []}}, "state: 'files' is not known"), ({"state": {"commands": [{"hosts": "db"}]}}, "command is missing"),
    ({"state": {"commands": [{"command": "x", "unanswered_in": ["s"]}]}}, "unanswered_in: there is no round s"),
])
def test_a_file_that_is_no_drill_names_what_is_wrong(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Stop) as raised:
        definition.load(written(tmp_path, **changes))
    assert said in f"{raised.value.message} {raised.value.hint}"


def test_a_drill_like_another_says_only_what_differs(tmp_path: Path) -> None:
    # The shared look is unanswered in a round of the other drill alone.
    one = definition.load(written(tmp_path, state={"commands": [{"command": "true", "unanswered_in": ["r"]}]}, targets={"detect": "7s"}))
    path = tmp_path / "more.yml"
    rounds = [{"name": "another", "faults": [], "findings": [], "actions": []}]
    path.write_text(yaml.safe_dump({"description": "more", "like": "mine", "rounds": rounds}))
    more = definition.load(path)
    assert (more.name, more.description, [part.name for part in more.rounds]) == ("more", "more", ["another"])
    assert (more.scenario, more.targets, more.looks, more.state) == (one.scenario, one.targets, one.looks, one.state)
    for name, said in (("more", "is itself like another drill"), ("gone", "cannot be read")):
        (tmp_path / "wrong.yml").write_text(yaml.safe_dump({"description": "x", "like": name}))
        with pytest.raises(Stop, match=said):
            definition.load(tmp_path / "wrong.yml")


def test_the_playbook_of_the_drills_has_its_plays_in_the_order_that_is_counted_on() -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / "_drill.yml").read_text())
    assert [(play["name"], play["tags"][0]) for play in plays] == list(executions.ENTRY_POINTS.items())
    # What fails in one of these keeps the later ones from beginning.
    assert [play["tags"][0] for play in plays if play.get("any_errors_fatal")] == ["probe", "inject"]


def test_what_the_playbook_came_to() -> None:
    def result(play: str, second: int, status: str = "ok") -> dict[str, Any]:
        return {"type": "result", "play": play, "status": status, "ts": f"1970-01-01T00:00:{second:02}.500Z"}

    events = [result("Run the probes", 1), result("Inject the faults", 2), result("Inject the faults", 3)]
    state = "Record the state of the hosts"
    assert executions.progress(events) == ({"probe": 1.5, "inject": 3.5}, "")
    assert executions.progress([*events, {**result("Inject the faults", 4, "failed"), "ignored": True}])[1] == ""
    assert executions.progress([*events, result("Inject the faults", 4, "unreachable"), result(state, 5, "failed")])[1] == "inject"


def test_a_drill_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Stop) as raised:
        definition.locate("db-recovry", collection=ROOT, cwd=tmp_path)
    assert "Did you mean db-recovery?" in raised.value.hint
    with pytest.raises(Stop, match=r"mine\.yml: there is no such file"):
        definition.locate("mine.yml", collection=ROOT, cwd=tmp_path)
    assert definition.locate(str(path := written(tmp_path)), collection=ROOT, cwd=tmp_path) == path
    assert definition.locate("db_recovery", collection=ROOT, cwd=tmp_path).name == "db-recovery.yml"


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


@pytest.mark.parametrize(("verb", "target", "fits"), [
    ("terminate", {"application_name": "drill-holder"}, True),
    ("terminate", {"application_name": "checkout"}, False),
    ("terminate", {}, False),
    ("restart_service", {"application_name": "drill-holder"}, False),
])
def test_what_nothing_expected(verb: str, target: dict[str, Any], fits: bool) -> None:
    action = Action(verb, "r", {}, target, "because")
    assert (score.unexpected(PART, [("db1", action)]) == []) is fits
    elsewhere = Expected(verb="terminate", target={}, host="db2")
    assert not score.matches(elsewhere, host="db1", action=action)


def test_only_what_is_wrong_is_seen_as_the_fault() -> None:
    found = [Finding("blocking", "ok"), Finding("timeouts", "critical"), Finding("blocking", "unknown")]
    assert score.detected(PART, found) == []
    assert score.detected(PART, [*found, Finding("blocking", "warning")]) == ["blocking"]


def test_a_demanded_check_that_was_not_measured_is_no_steady_state() -> None:
    found = [Seen(Finding("blocking", "ok"), host="db1"), Seen(Finding("replication", "ok"), host="db1")]
    checks = ["blocking", "replication", "connections"]
    assert score.unsteady(found, checks=checks, demanded=["replication"]) == (["blocking", "replication"], [])
    assert score.unsteady(found[:1], checks=checks, demanded=["replication"]) == (["blocking"], ["replication was not measured"])
    lagging = [*found, Seen(Finding("replication", "warning"), host="db1")]
    assert score.unsteady(lagging, checks=checks, demanded=["replication"])[1] == ["db1: replication is warning"]


def test_what_was_begun_is_what_was_done_and_what_never_answered() -> None:
    done = [Action("terminate", "pg", {"pid": pid}, {}, "because", outcome="gone") for pid in (1, 2)]
    assert score.begun(done, [("db1", "Act")]) == ["terminate gone", "unknown: Act on db1"]
    # Who was not reached may never have been told anything.
    assert score.begun([], []) == []


def test_differences_name_what_changed_and_are_bounded() -> None:
    assert score.differences(["a", "b"], ["b", "c"]) == ["- a", "+ c"]
    assert score.differences(["a"], ["a"]) == []
    assert score.differences([str(n) for n in range(30)], [])[-1] == "and 20 more"


def states(tmp_path: Path, part: str, *commands: Any) -> list[str]:
    """What the role's script prints of these looks in a round."""
    drill = definition.load(written(tmp_path, state={"commands": list(commands)}))
    asked = [look.asked(part) for look in drill.looks]
    done = subprocess.run(
        ["sh", str(ROOT / "roles" / "drill" / "files" / "state.sh"), str(tmp_path / "nothing"), "", *asked],
        capture_output=True, text=True, check=True, timeout=60,
    )
    return [line for line in done.stdout.splitlines() if line.startswith(("output ", "incomparable "))]


def test_a_look_that_fails_or_sees_nothing_cannot_be_compared(tmp_path: Path) -> None:
    assert states(tmp_path, "r", ":", "echo seen") == ["output seen"]
    said = states(tmp_path, "r", "echo seen", "true", "echo psql: no slot >&2; exit 2")
    assert said == ["output seen", "incomparable command 2 printed nothing", "incomparable command 3 ended with 2: psql: no slot"]
    # Twice the same is no sign of anything.
    assert score.incomparable({"db1": said}, {"db1": said}) == [
        "db1: command 2 printed nothing", "db1: command 3 ended with 2: psql: no slot",
    ]
    assert score.incomparable({"db1": said[:1]}, {"db1": said[:1]}) == []
    assert score.incomparable({"db1": ["a"], "db2": ["a"]}, {"db1": []}) == [
        "db2: was written down once only", "db1: nothing was written down",
    ]


def test_only_where_a_drill_says_so_may_a_look_have_no_answer(tmp_path: Path) -> None:
    for command in ("exit 2", "true"):
        look = {"command": command, "unanswered_in": ["r"]}
        assert states(tmp_path, "r", look) == ["output no answer, as may be here"]
        assert states(tmp_path, "another", look)[0].startswith("incomparable")
    assert states(tmp_path, "r", {"command": "echo a; echo b", "unanswered_in": ["r"]}) == ["output a", "output b"]


def test_a_look_is_asked_where_the_drill_says(tmp_path: Path) -> None:
    path = written(tmp_path, state={"commands": ["true", {"command": "id", "hosts": "db"}, {"command": "id", "hosts": ["db", "replica"]}]})
    everywhere, one, two = definition.load(path).looks
    for look, groups, host, asked in (
        (everywhere, ["app"], "app1", "true"), (one, ["db"], "db1", "id"), (one, ["app"], "db", "id"), (one, ["app"], "app1", ":"),
        (two, ["replica"], "db2", "id"), (two, ["app"], "app1", ":"),
    ):
        template = jinja2.Environment().from_string(look.asked("r"))
        assert template.render(group_names=groups, inventory_hostname=host) == asked


def test_a_probe_has_to_print_what_the_round_says() -> None:
    probe = {"name": "x", "hosts": "a", "command": "echo open; echo shut", "before": "open shut", "says": "shut shut"}
    part = definition.Round("r", faults=[], findings=[], actions=[], afterwards=[probe, {"name": "y", "hosts": "a", "command": "true"}])
    (before,) = definition.probes(part, "before")
    assert subprocess.run(["sh", "-c", before["command"]], check=False).returncode == 0
    after, other = definition.probes(part, "says")
    done = subprocess.run(["sh", "-c", after["command"]], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "it said: open shut\n"
    assert other["command"] == "true"


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


def test_a_drill_of_some_rounds_stays_out_of_the_trend_and_one_that_was_stopped_says_why(tmp_path: Path) -> None:
    common: dict[str, Any] = {
        "drill": "d", "scenario": "s", "ended": "", "by": "x", "hosts": ["db1"], "complete": True, "versions": {},
        "targets": {"detect": 60.0, "mitigate": 60.0, "recover": 60.0}, "severity": SEVERITY.as_dict(),
    }

    def kept(day: int, seconds: float, **more: Any) -> tuple[dict[str, Any], str]:
        part = score.Scored(name="blocked", steps=[score.Step("a", True)], times={"detect": seconds})
        made = score.card(**common, started=f"2026-01-0{day}T03:04:05Z", rounds=[part], **more)
        return made, cards.keep(tmp_path, made)[1].read_text()

    kept(1, 5.0)
    made, page = kept(2, 50.0, partial=True)
    assert made["passed"] and "Not the whole drill, only: blocked." in page and "## Trend" not in page
    made, page = kept(3, 40.0, stopped="no room for a record")
    assert not made["passed"] and not made["complete"] and "**Stopped**: no room for a record" in page
    _made, page = kept(4, 7.0)
    assert "median of 2 drills | | 6.0s" in page and "| stopped | 40s" in page and "2026-01-02" not in page


def test_the_run_to_kill_is_ones_own() -> None:
    events = [{"type": "segment.open", "pid": 7}, {"type": "run.open"}]
    assert executions.begun_by(7, events)
    assert not executions.begun_by(8, events) and not executions.begun_by(7, [])


def test_a_look_that_nobody_is_asked_for_is_named() -> None:
    looks = [definition.Look("id"), definition.Look("id", hosts=("app",)), definition.Look("id", hosts=("cache", "db1"))]
    assert hosts.unseen(INVENTORY, looks, ["db1", "app1"]) == []
    assert hosts.unseen(INVENTORY, looks, ["db1"]) == ["app"]
    assert hosts.unseen(INVENTORY, looks, ["app1"]) == ["cache, db1"]


def test_a_unit_that_is_nowhere_cannot_be_compared() -> None:
    def unit(name: str, load: str) -> str:
        return f"unit {name} LoadState={load} ActiveState=inactive MainPID=0 "

    there = {"db1": [unit("shop", "not-found"), unit("ngnix", "not-found")], "app1": [unit("shop", "loaded"), unit("ngnix", "not-found")]}
    assert score.incomparable(there, there) == ["no host has a unit ngnix"]
