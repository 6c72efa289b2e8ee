# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook with the recorder, as a user runs it, on every ansible-core there is on this machine."""

from __future__ import annotations

import functools
import os
import resource
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.site import Ended, Site, pythons


class Playbook(Site):
    """Plays from text, with the recorder on; all of them have one home."""

    @property
    def home(self) -> Path:
        return self.place / "home"

    def environment(self, **more: str) -> dict[str, str]:
        """Modules are not piped: what Ansible does by itself is what must not leak. An async task is looked for below the user's home."""
        own = {"INCIDENT_HOME": str(self.home), "HOME": os.environ["HOME"], "ANSIBLE_PIPELINING": ""}
        return super().environment(**{**own, **more})

    def argv(self, text: str, *arguments: str, inventory: str = "localhost,", name: str = "play.yml") -> list[str]:
        """The command line that runs these plays."""
        (self.place / name).write_text(text)
        return [str(self.bin / "ansible-playbook"), "-i", inventory, "-c", "local", name, *arguments]

    def run(
        self, text: str, *arguments: str, environ: Mapping[str, str] | None = None, stdin: str | None = None, file_size_limit: int = 0,
        **more: str,
    ) -> Ended:
        """Run plays to their end; no file may grow over file_size_limit bytes when it is given."""
        limits = (file_size_limit, file_size_limit)
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits) if file_size_limit else None
        return self.call(self.argv(text, *arguments, **more), stdin=stdin, preexec_fn=limit, **(environ or {}))


@pytest.fixture(params=pythons())
def playbook(request: pytest.FixtureRequest, tmp_path: Path) -> Playbook:
    """Plays on each ansible-core."""
    return Playbook(tmp_path, python=request.param)


@pytest.fixture
def one_playbook(tmp_path: Path) -> Playbook:
    """Plays on this Python's ansible-core only: where the version makes no difference."""
    return Playbook(tmp_path)
