# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines said of services is on the timeline: once, by our clock, bounded, and whatever else is in the files is not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.instances import CONTAINER_FORMAT
from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

from oncall_incident.evidence import collecting, engines, timeline
from oncall_incident.reporting import content
from oncall_incident.reporting import incident as reporting
from tests.support import incidents

#: 2025-01-06T08:20:00Z, twenty minutes after the incident of the store began.
THEN = 1736151600
ID = "c0ffee" * 10 + "c0ff"
DOCKER = f"""{THEN} die shop-web-1 137 {ID}
{THEN + 1} start shop-web-1  {ID}
{THEN + 9} health_status: unhealthy shop-web-1  {ID}
not a line of the engine
{THEN} exec_create: sh -c "password" shop-web-1 {ID}
"""
STATE = {
    "Status": "running", "Running": True, "StartedAt": "2025-01-06T08:20:01.5Z", "FinishedAt": "2025-01-06T08:20:00Z", "ExitCode": 0,
}
EVENTS = """LAST                   AT                            COUNT   TYPE      REASON      KIND   NAME    MESSAGE
2025-01-06T08:21:00Z   <none>                        7       Warning   BackOff     Pod    web-1   Back-off restarting failed  container
<none>                 2025-01-06T08:21:05.000001Z   <none>  Normal    Scheduled   Pod    web-2   Successfully assigned
<none>                 <none>                        1       Normal    Lost        Pod    web-3   at no time
"""
PODS = """KIND         NAME    CREATED                ENDS     STARTED                ENDED                  WHY         STATUS
Deployment   web     2025-01-06T07:00:00Z   <none>   <none>                 <none>                 <none>      <none>
KIND         NAME    CREATED                ENDS     STARTED                ENDED                  WHY         STATUS
Pod          web-1   2025-01-06T08:00:00Z   <none>   2025-01-06T08:22:00Z   2025-01-06T08:21:59Z   OOMKilled   137
"""
WORKER = {"name": "worker", "number": "3", "state": "errored", "since": (THEN + 180) * 1000, "restarts": 15}
APPS = [WORKER, {"since": 1e300}, ["odd"], "odd"]


def keep(run_dir: Path, host: str, *, ahead: float = 0.0, **outputs: str) -> keeping.Keeper:
    """A snapshot of a host, as the action plugin keeps one."""
    keeper = keeping.Keeper(keeping.host_dir(run_dir, host), Redactor(key=b"k" * 32))
    keeper.note({"kind": "begin", "part": "first", "host": host, "clock_offset": ahead})
    for name, text in outputs.items():
        found = keeper.keep(io.BytesIO(text.encode()), folder="05-services", name=f"{name}.txt")
        keeper.note({"kind": "item", "host": host, "name": name, "status": "collected", **found})
    return keeper


def said(run_dir: Path) -> list[tuple[str, str, bool]]:
    return [(one.at[11:19], one.text, one.bad) for one in engines.of_run(run_dir)]


def test_what_docker_says_by_our_clock(tmp_path: Path) -> None:
    state = json.dumps([ID, "/shop-web-1", 4, STATE, "sha256:1", "shop", "always"])
    keep(tmp_path / "run", "app1", ahead=60.0, services1_compose_events=DOCKER, services1_compose_state=state)
    assert said(tmp_path / "run") == [
        ("08:19:00", "container shop-web-1: die with 137", True), ("08:19:00", "container shop-web-1: ended", False),
        ("08:19:01", "container shop-web-1: start", False), ("08:19:01", "container shop-web-1: started, restarted 4 times", False),
        ("08:19:09", "container shop-web-1: health_status: unhealthy", True),
    ]
    assert CONTAINER_FORMAT.startswith("[{{json .ID}},{{json .Name}},{{json .RestartCount}},{{json .State}},"), "as it is read"


def test_what_kubernetes_says_by_its_own_clock(tmp_path: Path) -> None:
    keep(tmp_path / "run", "app1", ahead=60.0, services1_kubernetes_events=EVENTS, services1_kubernetes_state=PODS)
    assert said(tmp_path / "run") == [
        ("08:00:00", "pod web-1: created", False), ("08:21:00", "Pod web-1: BackOff (7 times): Back-off restarting failed container", True),
        ("08:21:05", "Pod web-2: Scheduled: Successfully assigned", False),
        ("08:21:59", "pod web-1: container ended with 137, OOMKilled", True), ("08:22:00", "pod web-1: container started", False),
    ]


def test_what_pm2_says(tmp_path: Path) -> None:
    keep(tmp_path / "run", "app1", services2_pm2_state="\n".join(map(json.dumps, APPS)) + "\n[[[" + "[" * 100_000)
    assert said(tmp_path / "run") == [("08:23:00", "app worker 3: started, errored now, restarted 15 times", True)]


def test_other_outputs_and_what_is_no_file_of_ours_are_left_alone(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    (tmp_path / "elsewhere").write_text(DOCKER)
    keeper = keep(run_dir, "app1", sockets=DOCKER, services1_compose_logs=DOCKER, services1_systemd_state=DOCKER)
    for path in ("hosts/app1/05-services/gone.txt", "../../elsewhere", "", None, "x"):
        keeper.note({"kind": "item", "host": "app1", "name": "services1_compose_events", "path": path})
    assert engines.of_run(run_dir) == []
    (keeper.directory / "05-services" / "link.txt").symlink_to(tmp_path / "elsewhere")
    keeper.note({"kind": "item", "host": "app1", "name": "services1_compose_events", "path": "hosts/app1/05-services/link.txt"})
    assert engines.of_run(run_dir) == [] and engines.of_run(tmp_path / "no" / "such" / "run") == []


def test_the_last_moments_are_told_and_the_number_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "MOST_TOLD", 2)
    keep(tmp_path / "run", "app1", services1_compose_events=DOCKER)
    assert [text for _at, text, _bad in said(tmp_path / "run")] == [
        "1 earlier moments of this host are in its snapshot only", "container shop-web-1: start",
        "container shop-web-1: health_status: unhealthy",
    ]
    monkeypatch.setattr(engines, "MOST_BYTES", len(DOCKER) - 10)
    monkeypatch.setattr(engines, "MOST_TOLD", 500)
    assert said(tmp_path / "run")[0][1] == "container shop-web-1: start", "of a large file its end"


def test_they_are_on_the_timelines_of_a_run_and_of_an_incident(tmp_path: Path) -> None:
    incident = next(iter(incidents.make_store(tmp_path, 1).incidents()))
    ((run, run_dir),) = [(run.run, run_dir) for run, run_dir in incident.runs()]
    keep(run_dir, "app1", services1_compose_events=DOCKER)
    other = layout.runs_dir(tmp_path) / "other"
    keep(other, "app1", services1_compose_events=DOCKER)
    assert len(engines.of_all([run_dir, other])) == 3, "each moment once"

    reported: dict[str, Any] = reporting.of_incident(incident, reporting.read(incident))
    shown = [entry for entry in reported["entries"] if entry["kind"] == "engine"]
    assert [(entry["host"], entry["what"], entry["tone"], entry["ref"]) for entry in shown] == [
        ("app1", "container engine: container shop-web-1: die with 137", "bad", "services1_compose_events"),
        ("app1", "container engine: container shop-web-1: start", "info", "services1_compose_events"),
        ("app1", "container engine: container shop-web-1: health_status: unhealthy", "bad", "services1_compose_events"),
    ]
    stamps = [entry["ts"] for entry in reported["entries"]]
    assert stamps == sorted(stamps) and "app1" in [lane["name"] for lane in reported["drawing"].lanes]
    # The store's record was written today, hours after what the engine tells of.
    alone = content.of_run(content.Source.read(run_dir))
    assert [entry for entry in alone["entries"] if entry["kind"] == "engine"] == []
    assert content.moments(engines.of_run(run_dir), since=THEN + 1.0)[0]["what"].endswith("start")

    assert collecting.collect(incident, run, run_dir)
    lines = [json.loads(line) for line in timeline.lines(incident.data)]
    told = [line for line in lines if line["timestamp_desc"] == "container engine"]
    assert [line["message"] for line in told] == [entry["what"].partition(": ")[2] for entry in shown]
    assert told[0]["origin"] == f"hosts/app1/{run}/05-services/services1_compose_events.txt"
    assert [line["datetime"] for line in lines] == sorted(line["datetime"] for line in lines)
