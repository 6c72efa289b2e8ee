# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the evidence callback writes: order, intents, results, items, lifted contracts, phases."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import load_plan, make_plan
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, summary, verify

from tests.support.need import need

from .conftest import Playbook

# What differs between Pythons and versions of ansible-core is met here first.
pytestmark = pytest.mark.smoke

PLAY = """
- name: Look
  hosts: all
  gather_facts: false
  tags: [investigate]
  tasks:
    - name: A harmless command
      ansible.builtin.command: echo hello
    - name: Several
      ansible.builtin.debug:
        msg: "{{ item }}"
      loop: [one, two, three]
    - name: Not now
      ansible.builtin.debug:
        msg: never
      when: false
    - name: Fails and is ignored
      ansible.builtin.fail:
        msg: no
      ignore_errors: true
- name: Act
  hosts: all
  gather_facts: false
  tasks:
    - name: Change
      ansible.builtin.copy:
        content: new
        dest: "{{ playbook_dir }}/changed-{{ inventory_hostname }}"
        mode: "0600"
      tags: [mitigate]
    - name: Fails
      ansible.builtin.command: /bin/false
      when: inventory_hostname == "b"
      tags: [verify]
"""


def test_a_run_is_recorded(playbook: Playbook) -> None:
    done = playbook.run(PLAY, inventory="a,b,")
    assert done.status == 2, done.output
    report = verify.check(done.run_dir)
    assert report.status == verify.OK, report
    assert "WARNING" not in done.output and "DEPRECAT" not in done.output and "Record: " in done.output

    events = done.events()
    assert [event["type"] for event in events][:3] == ["segment.open", "play.start", "task.start"]
    assert [event["type"] for event in events][-2:] == ["stats", "segment.close"]
    opened = events[0]
    assert opened["versions"]["ansible_core"] and opened["versions"]["collection"] and opened["versions"]["python"]
    assert opened["playbook"] == "play.yml" and opened["inventory"] == ["a,b,"] and opened["check_mode"] is False
    assert opened["user"] and opened["controller"] and "play.yml" in opened["argv"]

    # Every task on every host was announced before it answered, and is answered.
    announced: set[tuple[str, str]] = set()
    for event in events:
        if event["type"] == "intent":
            announced.add((event["host"], event["task_id"]))
        elif event["type"] == "result":
            assert (event["host"], event["task_id"]) in announced
            if "item_index" not in event:
                announced.remove((event["host"], event["task_id"]))
    assert not announced

    first = next(event for event in events if event["type"] == "result")
    assert first["status"] == "changed" and first["result"]["stdout"] == "hello" and first["action"] == "ansible.builtin.command"
    assert first["play"] == "Look" and first["phase"] == "investigate" and 0 < first["duration"] < 60
    assert first["args"] == {"_raw_params": "echo hello"} and "_ansible_no_log" not in first["result"]
    items = [event["item"] for event in events if event.get("item_index") is not None and event["host"] == "a"]
    assert items == ["one", "two", "three"]
    assert {event["phase"] for event in events if event.get("task") == "Change"} == {"mitigate"}
    statuses = {(event["task"], event["host"]): (event["status"], event.get("ignored")) for event in done.events("result")}
    assert statuses["Not now", "a"][0] == "skipped" and statuses["Fails and is ignored", "a"] == ("failed", True)
    assert statuses["Fails", "b"] == ("failed", False) and statuses["Fails", "a"][0] == "skipped"

    folded = summary.summarise(done.run_dir)
    assert folded.complete and folded.unanswered == [] and [failure["task"] for failure in folded.failures] == ["Fails"]
    assert folded.executions[0]["stats"]["b"]["failures"] == 1 and sorted(folded.hosts) == ["a", "b"]


def test_check_mode_is_recorded_and_tags_are(one_playbook: Playbook) -> None:
    done = one_playbook.run(PLAY, "--check", "--tags", "mitigate", inventory="a,")
    assert done.status == 0
    assert done.events("segment.open")[0]["check_mode"] is True and done.events("segment.open")[0]["tags"] == ["mitigate"]
    assert all(event["check_mode"] for event in done.events("intent", "result"))
    assert not (one_playbook.place / "changed-a").exists()


def test_an_unreachable_host_is_recorded(one_playbook: Playbook) -> None:
    one_playbook.place.joinpath("inventory").write_text("away ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1\n")
    need(shutil.which("ssh"), "an ssh client")
    done = one_playbook.run("- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: id\n", inventory="inventory")
    assert done.status == 4, done.output
    assert [event["status"] for event in done.events("result")] == ["unreachable"]
    assert summary.summarise(done.run_dir).unreachable[0]["host"] == "away"


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_other_strategies_and_throttles(one_playbook: Playbook, strategy: str) -> None:
    text = PLAY.replace("- name: Look", f"- name: Look\n  strategy: ansible.builtin.{strategy}\n  serial: 2")
    done = one_playbook.run(text, inventory="a,b,c,")
    assert verify.check(done.run_dir).status == verify.OK
    assert summary.summarise(done.run_dir).unanswered == []


def test_includes_handlers_blocks_and_retries_leave_nothing_unanswered(playbook: Playbook) -> None:
    playbook.place.joinpath("more.yml").write_text("- name: Included\n  ansible.builtin.debug:\n    msg: x\n")
    done = playbook.run("""
- hosts: all
  gather_facts: false
  handlers:
    - name: told
      ansible.builtin.debug:
        msg: handled
  tasks:
    - ansible.builtin.include_tasks: more.yml
      loop: [1, 2]
    - ansible.builtin.command: echo x
      notify: told
    - ansible.builtin.meta: flush_handlers
    - block:
        - ansible.builtin.command: /bin/false
      rescue:
        - ansible.builtin.debug:
            msg: rescued
    - ansible.builtin.command: sh -c 'test -e {{ playbook_dir }}/again || { touch {{ playbook_dir }}/again; exit 1; }'
      register: tried
      until: tried is success
      retries: 2
      delay: 0
    - ansible.builtin.command: sleep 1
      async: 30
      poll: 1
    - ansible.builtin.command: echo once
      run_once: true
      delegate_to: localhost
""", inventory="a,b,")
    assert done.status == 0, done.output
    assert verify.check(done.run_dir).status == verify.OK
    folded = summary.summarise(done.run_dir)
    assert folded.unanswered == []
    assert any(event["task"] == "told" and event.get("handler") for event in done.events("task.start"))
    assert done.events("retry")[0]["attempt"] in (1, 2)  # cores count differently
    assert done.events("result")[-1]["delegate_to"] == "localhost"


def _result_of(module_result: dict[str, Any]) -> str:
    """A module that returns just that."""
    status = 1 if module_result.get("failed") else 0
    return f"#!/usr/bin/python\nimport json, sys\nprint({json.dumps(json.dumps(module_result))})\nsys.exit({status})\n"


def test_findings_actions_and_plans_become_events(playbook: Playbook) -> None:
    """From a result, from a failed one, and from the items of a loop."""
    library = playbook.place / "library"
    library.mkdir()
    finding = {"check": "connections", "status": "critical", "observed": 97, "threshold": 90, "unit": "percent", "hint": "h", "subject": ""}
    action = {"id": "terminate|srv|pid=4711", "verb": "terminate", "target": {"pid": 4711}, "reason": "old", "outcome": "gone"}
    plan = make_plan(
        run="r", now=1000.0, actions={"a": [Action.from_dict({**action, "outcome": "planned"})]}, limits={"a": {"max_victims": 10}},
    ).as_dict()
    results = {
        "say_verdict": {"contract": "oncall.incident/verdict/1", "changed": False, "status": "critical", "findings": [finding],
                        "skipped_checks": [{"check": "replication", "reason": "no permission", "hint": ""}]},
        "say_actions": {"contract": "oncall.incident/actions/1", "changed": True, "actions": [action], "limits": {"max_victims": 10},
                        "protected": [{"target": {"pid": 1}, "reasons": ["backup"], "would_match": True}]},
        "say_failed": {"contract": "oncall.incident/actions/1", "changed": False, "failed": True, "msg": "not all",
                       "actions": [{**action, "id": "x", "outcome": "failed"}], "limits": {}, "protected": []},
        "say_plan": {"contract": "oncall.incident/plan/1", "changed": False, "plan": plan},
    }
    for name, result in results.items():
        (library / f"{name}.py").write_text(_result_of(result))
    done = playbook.run("""
- hosts: all
  gather_facts: false
  tasks:
    - say_verdict:
      tags: [investigate]
    - say_actions:
      tags: [mitigate]
      loop: [1, 2]
    - say_failed:
      tags: [mitigate]
      ignore_errors: true
    - say_plan:
      tags: [mitigate]
    - say_verdict:
      tags: [verify]
""", inventory="a,")
    assert done.status == 0, done.output
    lifted = done.events("finding", "skipped_check", "action", "protected", "plan")
    assert [event["type"] for event in lifted] == [
        "finding", "skipped_check", "action", "protected", "action", "protected", "action", "plan", "finding", "skipped_check"]
    assert lifted[0]["finding"] == finding and lifted[0]["host"] == "a" and lifted[0]["phase"] == "investigate"
    assert lifted[6]["action"]["outcome"] == "failed"
    # Each says which task it is from, and of a loop which item.
    sources = [(event["task_id"], event.get("item_index"), event.get("item")) for event in lifted]
    assert sources[0] == sources[1] != sources[8] and [source[1:] for source in sources[2:6]] == [(0, "1")] * 2 + [(1, "2")] * 2
    assert len({source[0] for source in sources}) == 5 and sources[2][0] == sources[4][0]
    assert load_plan(lifted[7]["plan"], now=1001.0).ids("a") == [action["id"]]
    verdict = done.events("result")[0]["result"]
    assert verdict["findings"] == "[1 lifted]" and verdict["status"] == "critical"
    folded = summary.summarise(done.run_dir)
    assert [(seen.what.id, seen.what.outcome) for seen in folded.actions] == [(action["id"], "gone"), ("x", "failed")]
    assert folded.plan == plan
    assert folded.before["a|connections|"].what.status == folded.after["a|connections|"].what.status == "critical"
    assert folded.protected[0].what.reasons == ("backup",) and folded.skipped_checks[0].what.check == "replication"


class Answers(BaseHTTPRequestHandler):
    """200 of /well, and 503 of anything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/well" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def base() -> Iterator[str]:
    """The address of a server that answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_targets_outside_a_loop_are_told_apart(one_playbook: Playbook, base: str) -> None:
    """A handler is one task for both; a rescue that looks at the one again has not looked at the other."""
    look = "oncall.incident.http_health: {probes: [{url: '{{ base }}{{ path }}'}]}"
    done = one_playbook.run(f"""
- hosts: all
  gather_facts: false
  tasks:
    - oncall.incident.http_health: {{probes: [{{url: "{base}/well"}}]}}
      tags: [investigate]
    - oncall.incident.http_health: {{probes: [{{url: "{base}/sick"}}]}}
      tags: [investigate]
    - tags: [verify]
      block:
        - oncall.incident.http_health: {{probes: [{{url: "{base}/well"}}]}}
        - ansible.builtin.fail: {{msg: Again.}}
      rescue:
        - oncall.incident.http_health: {{probes: [{{url: "{base}/well"}}]}}
- hosts: all
  gather_facts: false
  tags: [mitigate]
  vars: {{base: "{base}"}}
  tasks:
    - {{ansible.builtin.set_fact: {{path: /sick}}, changed_when: true, notify: look}}
    - ansible.builtin.meta: flush_handlers
    - {{ansible.builtin.set_fact: {{path: /well}}, changed_when: true, notify: look}}
  handlers:
    - name: look
      {look}
""", inventory="a,")
    assert done.status == 0, done.output
    folded = summary.summarise(done.run_dir)
    handled = [event for event in done.events("verdict") if event["phase"] == "mitigate"]
    assert len({event["task_id"] for event in handled}) == 1 and [event["verdict"]["healthy"] for event in handled] == [False, True]
    sick = f"probes={base}/sick"
    assert [(one["phase"], one["target"]) for one in folded.unmet] == [("investigate", sick), ("mitigate", sick)]
    # Each of the two checks that the module asks.
    assert [(one["before"], one["after"]) for one in folded.left_out] == [(2, 1)] * 2


def test_a_result_of_a_megabyte(one_playbook: Playbook) -> None:
    text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.command: seq 1 160000\n"
    done = one_playbook.run(text)
    result = done.events("result")[0]["result"]
    assert result["stdout"]["$blob"]["bytes"] == 1_008_894
    assert reader.blob(done.run_dir, result["stdout"]).endswith(b"\n160000")
    assert "stdout_lines" not in result and verify.check(done.run_dir).status == verify.OK
    assert max(len(line.raw) for line in reader.lines(done.run_dir)) < 16_384


def test_executions_of_one_run_are_one_chain(one_playbook: Playbook) -> None:
    run_dir = one_playbook.place / "bundle" / "run"
    environ = {"INCIDENT_RUN_DIR": str(run_dir), "INCIDENT_RUN_ID": "given-id"}
    for _execution in range(2):
        assert one_playbook.run(PLAY, "--tags", "investigate", environ=environ).status == 0
    assert [event["segment"] for event in reader.read(run_dir) if event["type"] == "segment.open"] == [1, 2]
    assert {event["run"] for event in reader.read(run_dir)} == {"given-id"}
    assert verify.check(run_dir).status == verify.OK
    assert not layout.runs_dir(one_playbook.home).exists()
    # The same secret, the same token: the key is the run's.
    assert {event["redaction_key"] for event in reader.read(run_dir) if event["type"] == "segment.open"} == {"kept"}


def test_the_marker_names_process_run_and_segment(one_playbook: Playbook) -> None:
    text = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ lookup('env', 'ONCALL_INCIDENT_RECORDER') }}"
"""
    done = one_playbook.run(text)
    pid, run, path = done.events("result")[0]["result"]["msg"].split(":")
    assert int(pid) == done.events("segment.open")[0]["pid"] and run == done.run_dir.name
    assert path == str(layout.segment_path(done.run_dir, 1))


def test_nothing_is_recorded_unless_enabled(one_playbook: Playbook) -> None:
    other = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit", "JUNIT_OUTPUT_DIR": str(one_playbook.place)}
    done = one_playbook.run(PLAY, environ=other)
    assert done.status == 0 and not one_playbook.home.exists()


@pytest.mark.parametrize(("tags", "hosts", "status"), [
    ("[investigate]", "nobody", 98), ("[verify]", "nobody", 98), ("[]", "nobody", 0), ("[investigate]", "all", 0),
])
def test_when_nobody_matched_nothing_is_healthy(playbook: Playbook, tags: str, hosts: str, status: int) -> None:
    task = "    - ansible.builtin.debug:\n        msg: x\n"
    done = playbook.run(f"- hosts: {hosts}\n  gather_facts: false\n  tags: {tags}\n  tasks:\n{task}")
    assert done.status == status, done.output
    assert len(done.events("no_hosts")) == (1 if hosts == "nobody" else 0)
    assert verify.check(done.run_dir).status == verify.OK
    if status:
        assert "No host matched any play of the phase" in done.output and "PLAY RECAP" in done.output
        assert done.events("segment.close")[0]["ended"] == "no_hosts"


def test_an_optional_group_may_be_empty(one_playbook: Playbook) -> None:
    play = "- hosts: {hosts}\n  gather_facts: false\n  tags: [mitigate]\n  tasks:\n    - ansible.builtin.debug:\n        msg: x\n"
    assert one_playbook.run(play.format(hosts="all") + play.format(hosts="app")).status == 0


def test_a_run_that_ansible_itself_ends_is_closed_as_aborted(one_playbook: Playbook) -> None:
    text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.include_tasks: broken.yml\n"
    one_playbook.place.joinpath("broken.yml").write_text("- nonsense: [\n")
    done = one_playbook.run(text)
    assert done.status != 0
    assert verify.check(done.run_dir).status == verify.OK
    assert done.events("segment.close")[0]["ended"] in ("aborted", "normal")
    assert os.environ.get(layout.MARKER_VARIABLE) is None


MITIGATE = """
- name: Clean more than is allowed
  hosts: all
  gather_facts: false
  tags: [mitigate]
  tasks:
    - name: Make room
      ansible.builtin.include_role:
        name: oncall.incident.host
        tasks_from: mitigate
      vars:
        host_become: false
        host_file_systems: [/]
        host_disk_warning_percent: 1
        host_disk_critical_percent: 1
        host_clean: [{{directory: {directory}, pattern: "*.log.*", min_age: 1h}}]
        host_clean_max_bytes: 1
"""


def test_a_module_of_a_role_that_fails_keeps_what_it_decided_from(playbook: Playbook) -> None:
    """Whatever ansible-core leaves out of a result by itself, and whoever starts it."""
    need(os.geteuid() == 0, "root, to see the open files of all processes")
    logs = playbook.place / "logs"
    logs.mkdir()
    for name in ("shop.log.1", "shop.log.2"):
        (logs / name).write_text("x")
        os.utime(logs / name, (1, 1))
    done = playbook.run(MITIGATE.format(directory=logs), "--check")
    (result,) = (event["result"] for event in done.events("result") if event["action"] == "oncall.incident.disk_clean")
    assert result["error"] == "limit_exceeded", done.output
    assert result["reading"]["complete"]
    assert "\"reading\"" not in done.output and "reading:" not in done.output, "64 KiB that nobody reads on a screen"
