# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An application with a good release and a bad one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.run_module import run_module

QUICK = {
    "release_hold": "500ms", "release_verify_hold": "500ms", "release_verify_timeout": "5s", "release_timeout": "60s",
    "release_become": False, "evidence_snapshot": False,
}
#: Answers from the files behind a path, which is looked up for each request.
SERVER = """
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """An application whose files are behind a link: the URL of its health."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port.isdigit(), "the application listens"
        yield f"http://127.0.0.1:{port}/health"
    finally:
        process.kill()
        process.communicate(timeout=30)


class Shop:
    """Releases v1, which is well, and v2, which is not and runs."""

    def __init__(self, place: Path) -> None:
        self.place, self.link, self.notes = place, place / "current", place / "notes" / "releases.json"
        for name in ("v1", "v2"):
            (place / "releases" / name / "migrations").mkdir(parents=True)
            (place / "releases" / name / "migrations" / "001_shop").touch()
        (place / "releases" / "v1" / "health").write_text("well")
        self.up = place.parent / "up"
        self.applied = place / "applied"
        self.applied.mkdir()
        (self.applied / "001_shop").touch()
        self.leads_to("releases/v1")
        assert not self.note().get("failed")
        self.leads_to("releases/v2")

    def leads_to(self, text: str) -> None:
        """Let the link lead there."""
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(text)

    @property
    def where(self) -> dict[str, Any]:
        """As the module takes it."""
        return {"path": str(self.link), "releases": str(self.place / "releases")}

    def note(self, **more: Any) -> dict[str, Any]:
        """Note what runs as measured good."""
        return run_module("release_note", method="symlink", where=self.where, notes=str(self.notes), run_id="earlier", **more)

    def variables(self, url: str) -> dict[str, Any]:
        """Of its host."""
        return {
            "release_method": "symlink", "release_where": self.where, "release_notes": str(self.notes), "release_probes": [url],
            "release_migrations": {"now": str(self.applied), "of": f"{self.place}/releases/{{release}}/migrations"},
        }

    def world(self) -> Any:
        """All there is, with what it holds."""
        return sorted(
            (str(path.relative_to(self.place)), os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "")
            for path in self.place.rglob("*")
        )
