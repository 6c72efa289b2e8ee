# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser, and pages to look at."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from oncall_incident.evidence import policy
from oncall_incident.reporting import document, index
from tests.support import hostile
from tests.support.incidents import BEGIN, make_store, tell, unsynced
from tests.support.need import need
from tests.support.story import Story

PAGES = ("run", "incident", "index", "hostile_run", "hostile_incident", "hostile_index")
#: Chromium runs as root in CI's container; nothing of a profile may be left or found, and it has no business on a network.
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,1000",
)


@dataclass
class Browser:
    """Chromium, driven."""

    driver: webdriver.Chrome

    def open(self, page: Path, *, scheme: str = "light", width: int = 1200) -> None:
        """Load a page from its file, as a user with that colour scheme and window would see it."""
        self.driver.get("about:blank")
        self.requests(), self.said()
        self.command("Emulation.setEmulatedMedia", {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.command("Emulation.setDeviceMetricsOverride", {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
        self.driver.get(page.as_uri())

    def print_media(self) -> None:
        """Show the page as it would be printed."""
        self.command("Emulation.setEmulatedMedia", {"media": "print", "features": []})

    def command(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, dict(arguments))

    def script(self, text: str) -> Any:
        """Ask the page something."""
        return self.driver.execute_script(text)

    def requests(self) -> list[str]:
        """What was asked for on any network or file system since the last call."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]

    def said(self) -> list[str]:
        """What the console said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def pdf(self) -> bytes:
        """The page on paper."""
        return base64.b64decode(self.command("Page.printToPDF", {"printBackground": True})["data"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(chromium and driver, "chromium and chromium-driver")
    profile = tempfile.mkdtemp(prefix="oncall-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driven = webdriver.Chrome(options=options, service=Service(executable_path=str(driver)))
    driven.set_page_load_timeout(60)
    try:
        yield Browser(driven)
    finally:
        driven.quit()
        shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of page, from honest and from hostile records."""
    home = tmp_path_factory.mktemp("pages")
    with unsynced():
        story = Story(home / "honest")
        tell_run(story)
        store = make_store(home / "honest", 12)
        incident = tell(store, began=BEGIN, title="Logins hang", severity="P0", rules=policy.load("chitlaq"))
        incident.append_all([
            ("run.started", {"record": story.run_dir.name, "scenario": "db-recovery", "at": "2025-01-06T08:20:00Z", "by": "ann"}),
            ("run.ended", {"record": story.run_dir.name, "outcome": "not_recovered", "exit_status": 3, "at": "2025-01-06T08:25:00Z"}),
        ])
        bad_store, bad_incident = hostile.incident(home / "hostile")
    contents = {
        "run": document.run_content(story.run_dir), "incident": document.incident_content(incident), "index": index.of_store(store),
        "hostile_run": document.run_content(layout.runs_dir(bad_store.home) / story.run_dir.name),
        "hostile_incident": document.incident_content(bad_incident), "hostile_index": index.of_store(bad_store),
    }
    written = {}
    for name, content in contents.items():
        (home / name).mkdir()
        document.write(content, home / name, [document.HTML])
        (written[name],) = (home / name).glob("*.html")
    return written


def tell_run(told: Story) -> None:
    """A run in which everything that a report can show has happened."""
    with told.segment("wrapper", user="ann", controller="desk", versions={"wrapper": "0.1.0"}):
        told.tell("run.open", scenario="db-recovery", by="ann", inventories=["prod"], limit="db1", collection={"source": {}}, project={})
    with told.segment(check_mode=True, versions={"ansible_core": "2.21.5"}):
        told.tell("play.start", play="Investigate", hosts="db", phases=["investigate"])
        told.intent("db1", "Look", phase="investigate", task_id="t0")
        told.finding(
            "investigate", "db1", "warning", check="replication", subject="slot_1", observed=5 << 30, threshold=1 << 30, unit="bytes"
        )
        told.finding("investigate", "db1", "critical", hint="Nearly all slots are taken.")
        for number in range(12):
            told.finding("investigate", "db1", "ok", check=f"check_{number}", observed=number, threshold=20, unit="count")
        told.tell("skipped_check", host="db1", phase="investigate", skipped={"check": "statements", "reason": "no extension", "hint": ""})
        told.result("db1", "Look", "ok", phase="investigate", task_id="t0")
        told.tell("play.start", play="Mitigate", hosts="db", phases=["mitigate"])
        told.intent("db1", "End", task_id="t1")
        for number in range(6):
            told.action("db1", "planned", number=number, query="UPDATE orders SET note = 'held' WHERE id = 11 " * 4)
        told.tell("protected", host="db1", phase="mitigate", protected={
            "target": {"pid": 9, "user": "backup", "database": "shop", "application_name": "pg_dump"}, "reasons": ["backup_tool"],
            "would_match": True})
        told.result("db1", "End", "ok", task_id="t1")
        told.plan("db1")
        told.stats(db1=0)
    with told.segment("wrapper"):
        told.tell("plan.approved", by="ann", how="typed", hash="ab" * 32, count=6)
    with told.segment(check_mode=False):
        told.tell("play.start", play="Mitigate", hosts="db", phases=["mitigate"])
        told.intent("db1", "Act")
        for number in range(6):
            told.action("db1", "gone", number=number, query="UPDATE orders SET note = 'held' WHERE id = 11 " * 4)
        told.result("db1", "Act", "changed")
        told.intent("db1", "Restart it", task_id="t2")
        told.tell("play.start", play="Verify", hosts="db", phases=["verify"])
        told.intent("db1", "Measure", phase="verify", task_id="t3")
        told.finding("verify", "db1", "ok", observed=12)
        told.finding("verify", "db1", "warning", check="replication", subject="slot_1", observed=4 << 30, threshold=1 << 30, unit="bytes")
        for number in range(12):
            told.finding("verify", "db1", "ok", check=f"check_{number}", observed=number // 2, threshold=20, unit="count")
        told.result("db1", "Measure", "failed", phase="verify", task_id="t3", msg="replication did not come back")
        told.result("db2", "Look", "unreachable", msg="no route", phase="verify", task_id="t4")
        told.stats(db1=1)
    with told.segment("wrapper"):
        told.tell("outcome", outcome="not_recovered", exit_status=3, sentence="Not measured: db2.", reasons=["db2: unreachable"])
