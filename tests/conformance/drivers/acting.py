# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's modules through `act`: it is an action plugin, so each run is a play."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from tests.conformance.kit import Args, Mitigating, Result
from tests.support.leases import another_run
from tests.support.site import Site

WELL = "well"
LOCK = "the files of the kit"


class Act(Mitigating):
    """Two files that a command mends: a call for each, in a loop."""

    module = "act"
    absent: ClassVar = {
        "decides_again_from_the_record": "the author's expressions decide, and a record has no world to evaluate them in",
    }

    @contextmanager
    def scene(self) -> Iterator[None]:
        with tempfile.TemporaryDirectory() as made:
            self.place = Path(made) / "files"
            self.place.mkdir()
            for name in ("one", "two"):
                (self.place / name).write_text("sick")
            self.site = Site(Path(made))
            self.site.group("servers", here={})
            yield

    def args(self) -> Args:
        return {
            "verb": "mend", "target": {"file": "{{ item }}"}, "reason": "It is sick.", "lock": LOCK,
            "module": "ansible.builtin.command", "args": {"argv": ["sh", "-c", f"printf {WELL} > {{{{ item | quote }}}}"]},
            "needed": f"before.content | b64decode != '{WELL}'", "measure": self.measure(),
        }

    def measure(self, **more: str) -> dict[str, Any]:
        """How it is looked at."""
        return {
            "module": "ansible.builtin.slurp", "args": {"src": "{{ item }}"}, "until": f"measured.content | b64decode == '{WELL}'",
            "timeout": "3s", "interval": "100ms", **more,
        }

    def run(self, *, check: bool = False, **more: Any) -> Result:
        """The results of the calls, in one."""
        said = Path(self.site.place / "said")
        files = [str(path) for path in sorted(self.place.iterdir())]
        tasks: list[dict[str, Any]] = [
            {"oncall.incident.act": {**self.args(), **more}, "loop": files, "register": "done", "ignore_errors": True},
            {"ansible.builtin.copy": {"content": "{{ done.results | to_json }}", "dest": str(said), "mode": "0600"}, "check_mode": False},
        ]
        done = self.site.play(*(["--check"] if check else []), playbook=self.site.book(tasks), ANSIBLE_CALLBACKS_ENABLED="")
        assert done.status == 0, done.output
        return _as_one(json.loads(said.read_text()))

    def world(self) -> Any:
        return sorted((path.name, path.read_text()) for path in self.place.iterdir())

    def limits(self) -> Args:
        return {"limit": 1, "spent": 1}

    def leave(self) -> None:
        """Somebody else has mended it."""
        (self.place / "one").write_text(WELL)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with another_run(LOCK):
            yield

    def no_time(self) -> Args:
        """A command that takes longer than it may: it is ended before it touches anything."""
        slow = f"sleep 600; printf {WELL} > {{{{ item | quote }}}}"
        return {"args": {"argv": ["sh", "-c", slow]}, "timeout": "1s", "measure": self.measure(timeout="200ms")}


def _as_one(results: list[Result]) -> Result:
    failed = [one for one in results if one["failed"]]
    return {
        "contract": results[0]["contract"], "changed": any(one["changed"] for one in results), "limits": results[0].get("limits", {}),
        "actions": [action for one in results for action in one["actions"]], "protected": [],
        **({key: failed[0][key] for key in ("failed", "error", "msg")} if failed else {}),
    }
