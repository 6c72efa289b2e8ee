# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An AWX job as a record, from the answers that a real AWX 24.6 gave."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader, summary, verify

from oncall_incident.errors import Stop
from oncall_incident.evidence import awx_import, checks
from tests.support.wrapper import command

from .conftest import Case

ANSWERS = Path(__file__).parent / "awx-24.6" / "job-4"
PAGES = 4


class Awx:
    """Serves the recorded pages as they are.

    Attributes:
        asked: the paths that were asked for.
        fail_after: answer 503 from this many pages on.
        change: alters an answer before it is sent.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[str | None] = []
        self.fail_after: int | None = None
        self.change: Any = None
        self.redirect = ""
        awx = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urllib.parse.urlsplit(self.path)
                awx.asked.append(self.path)
                awx.headers.append(self.headers.get("Authorization"))
                if awx.redirect:
                    self.send_response(302)
                    self.send_header("Location", awx.redirect)
                    self.end_headers()
                    return
                body: bytes | None = None
                if parts.path == "/api/v2/jobs/4/":
                    body = (ANSWERS / "job.json").read_bytes()
                elif parts.path == "/api/v2/jobs/4/job_events/":
                    page = int(urllib.parse.parse_qs(parts.query).get("page", ["1"])[0])
                    served = sum("/job_events/" in path for path in awx.asked)
                    if awx.fail_after is None or served <= awx.fail_after:
                        body = (ANSWERS / f"events-page-{page}.json").read_bytes()
                if body is not None and awx.change is not None:
                    body = json.dumps(awx.change(parts.path, json.loads(body))).encode()
                self.send_response(200 if body is not None else 503 if "/job_events/" in parts.path else 404)
                self.end_headers()
                self.wfile.write(body or b"{}")

            def log_message(self, *_arguments: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def awx() -> Iterator[Awx]:
    made = Awx()
    yield made
    made.end()


def events(made: awx_import.Imported, kind: str) -> list[dict[str, Any]]:
    return [event for event in reader.read(made.run_dir) if event.get("type") == kind]


def test_a_job_becomes_a_record(awx: Awx, tmp_path: Path) -> None:
    made = awx_import.run(4, url=awx.url, home=tmp_path)
    assert verify.check(made.run_dir).status == verify.OK
    assert (made.events, made.missing, made.notes) == (36, 0, ())
    assert sum("/job_events/" in path for path in awx.asked) == PAGES
    folded = summary.summarise(made.run_dir)
    assert folded.hosts == ["h1"] and [failure["task"] for failure in folded.failures] == ["Fails"]
    assert folded.counts["play.start"] == 2 and folded.counts["task.start"] == 9
    assert folded.unanswered == []
    (stats,) = events(made, "stats")
    assert stats["hosts"]["h1"] == {"ok": 7, "changed": 1, "unreachable": 0, "failures": 0, "skipped": 1, "rescued": 1, "ignored": 0}
    (opened,) = events(made, "run.open")
    assert opened["by"] == "admin" and opened["awx"]["launch_type"] == "manual"
    numbers = [event["awx"]["counter"] for event in reader.read(made.run_dir) if "counter" in event.get("awx", {})]
    assert sorted(set(numbers)) == list(range(1, 37))


def test_results_are_as_our_recorder_writes_them(awx: Awx, tmp_path: Path) -> None:
    made = awx_import.run(4, url=awx.url, home=tmp_path)
    results = {(event["task"], event.get("item_index")): event for event in events(made, "result")}
    assert results[("Uptime", None)]["args"]["_raw_params"] == "uptime"
    assert results[("Loop over file systems", 2)]["item"] == "/does-not-exist"
    assert results[("Loop over file systems", None)]["result"]["results"] == "[3 items]"
    assert results[("Change something", None)]["status"] == "changed" and results[("Fails", None)]["status"] == "failed"
    assert results[("Uptime", None)]["phase"] == "investigate" and results[("Fails", None)]["phase"] == "mitigate"
    big = results[("A big result", None)]["result"]["stdout"]
    assert reader.blob(made.run_dir, big).startswith(b"1\n2\n3\n")
    assert results[("Uptime", None)]["at"].startswith("2026-11-21T11:14:31")


def test_what_awx_dropped_is_marked(awx: Awx, tmp_path: Path) -> None:
    def change(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        for event in answer.get("results", []):
            if event["task"] == "A big result" and event["event"] == "runner_on_ok":
                event["event_data"]["res"] = {}  # over MAX_EVENT_RES
        if "results" in answer:
            answer["results"] = [event for event in answer["results"] if event["counter"] not in (20, 21)]
        return answer

    awx.change = change
    made = awx_import.run(4, url=awx.url, home=tmp_path)
    dropped = {event["task"]: event["awx"]["dropped"] for event in events(made, "result") if event["awx"].get("dropped")}
    assert dropped["A big result"] == ["the result, which was over AWX's limit"]
    assert dropped["Skipped with a reason"] == ["the reason why it was skipped"]
    assert made.missing == 2 and made.notes == ("AWX does not have 2 of the job's events: 20-21",)
    (degraded,) = events(made, "record.degraded")
    assert degraded["lost"] == 2 and "20-21" in degraded["why"]


def test_a_no_log_task_stays_hidden(awx: Awx, tmp_path: Path) -> None:
    made = awx_import.run(4, url=awx.url, home=tmp_path)
    (result,) = [event for event in events(made, "result") if event["task"] == "A secret that must not show"]
    assert result["args"] == "censored" and "censored" in result["result"]


def test_an_interrupted_import_goes_on_where_it_stopped(awx: Awx, tmp_path: Path) -> None:
    awx.fail_after = 2
    with pytest.raises(Stop, match="503"):
        awx_import.run(4, url=awx.url, home=tmp_path)
    awx.fail_after, awx.asked = None, []
    made = awx_import.run(4, url=awx.url, home=tmp_path)
    pages = [path for path in awx.asked if "/job_events/" in path]
    assert pages == ["/api/v2/jobs/4/job_events/?page=3&page_size=10", "/api/v2/jobs/4/job_events/?page=4&page_size=10"]
    assert made.events == 36 and verify.check(made.run_dir).status == verify.OK
    numbers = [event["awx"]["counter"] for event in events(made, "result")]
    assert len(numbers) == len(set(numbers))
    # Once it is whole, nothing is read again.
    awx.asked = []
    assert awx_import.run(4, url=awx.url, home=tmp_path).events == 36
    assert not [path for path in awx.asked if "/job_events/" in path]


def test_a_secret_of_the_jobs_variables_is_taken_out(awx: Awx, tmp_path: Path) -> None:
    def change(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == "/api/v2/jobs/4/":
            answer["extra_vars"] = json.dumps({"db_password": "hunter2-hunter2"})
        for event in answer.get("results", []):
            if event["task"] == "Uptime" and event["event"] == "runner_on_ok":
                event["event_data"]["res"]["stdout"] = "connecting with hunter2-hunter2"
        return answer

    awx.change = change
    made = awx_import.run(4, url=awx.url, home=tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert verify.check(made.run_dir).status == verify.OK


def test_a_job_that_goes_on_is_not_imported(awx: Awx, tmp_path: Path) -> None:
    awx.change = lambda _path, answer: {**answer, "status": "running"} if "job_type" in answer else answer
    with pytest.raises(Stop, match="Job 4 is running"):
        awx_import.run(4, url=awx.url, home=tmp_path)


def test_an_answer_that_leads_elsewhere_is_not_followed(awx: Awx, tmp_path: Path) -> None:
    awx.change = lambda _path, answer: {**answer, "next": "http://192.0.2.7/api"} if "results" in answer else answer
    with pytest.raises(Stop, match="leads to another host"):
        awx_import.run(4, url=awx.url, home=tmp_path)


@pytest.mark.parametrize("change", [
    lambda _path, answer: {**answer, "next": "/api/v2/jobs/4/job_events/?page=1"} if "results" in answer else answer,
    lambda _path, answer: {**answer, "results": ["x"]} if "results" in answer else answer,
    lambda _path, answer: {**answer, "results": "x"} if "results" in answer else answer,
    lambda _path, answer: {**answer, "started": "soon"} if "job_type" in answer else answer,
], ids=["a loop", "no events", "no list", "no time"])
def test_an_answer_that_is_not_awxs_is_said(change: Any, awx: Awx, tmp_path: Path) -> None:
    awx.change = change
    with pytest.raises(Stop, match="AWX's answer"):
        awx_import.run(4, url=awx.url, home=tmp_path)


def test_a_redirection_does_not_take_the_token_elsewhere(awx: Awx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Awx()
    try:
        monkeypatch.setenv("INCIDENT_AWX_TOKEN", "t0ken-t0ken")
        awx.redirect = f"{other.url}/api/v2/jobs/4/"
        with pytest.raises(Stop, match="redirects to another host"):
            awx_import.run(4, url=awx.url, home=tmp_path)
        assert other.asked == []
    finally:
        other.end()


def test_the_command_puts_it_into_an_incident(awx: Awx, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    asked = ["import", "awx", "4", "--url", awx.url, "--incident", case.incident.id, "--json"]
    done = command(case.home, *asked, INCIDENT_AWX_TOKEN="t0ken-t0ken")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["incident"] == case.incident.id and data["events"] == 36
    assert set(awx.headers) == {"Bearer t0ken-t0ken"}
    case.seal()
    assert case.check().status == checks.PROVEN
    assert (case.incident.data / "runs" / data["run"] / "record" / "000001.jsonl").is_file()
    assert not [path for path in case.home.rglob("*") if path.is_file() and b"t0ken-t0ken" in path.read_bytes()]


def test_no_awx_there(tmp_path: Path) -> None:
    done = command(tmp_path / "home", "import", "awx", "4", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1 and "cannot be read" in done.stderr and "Traceback" not in done.stderr
