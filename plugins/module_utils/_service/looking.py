# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a service's runtime what runs of it. Only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Blind
from .._module.programs import Ran
from .instances import CONTAINER_FORMAT, UNIT_PROPERTIES, Instance, from_containers, from_systemd

Run = t.Callable[[t.Sequence[str]], Ran]


@dataclasses.dataclass(frozen=True)
class Compose:
    """How a Compose project is asked: its command and the container runtime's own."""

    command: t.Sequence[str] = ("docker", "compose")
    directory: str = ""
    files: t.Sequence[str] = ()
    container_command: t.Sequence[str] = ("docker",)

    def argv(self, *words: str) -> list[str]:
        """A command of the project."""
        where = ["--project-directory", self.directory] if self.directory else []
        return [*self.command, *where, *(f"--file={file}" for file in self.files), *words]


def unit(name: str, *, scope: str, run: Run) -> list[Instance]:
    """The systemd unit of this name.

    Raises:
        Blind: it cannot be looked at.
    """
    argv = ["systemctl", f"--{scope}", "show", f"--property={','.join(UNIT_PROPERTIES)}", "--", name]
    return [from_systemd(_said(argv, run))]


def containers(name: str, *, compose: Compose, run: Run) -> list[Instance]:
    """All containers of a service of a Compose project; none when it has none.

    Raises:
        Blind: they cannot be looked at.
    """
    ids = _said(compose.argv("ps", "--all", "--quiet", name), run).split()
    if not ids:
        return []
    return _inspected(ids, compose=compose, run=run)


def container(name: str, *, compose: Compose, run: Run) -> list[Instance]:
    """The container of this name; none when `docker compose run` has left it.

    Raises:
        Blind: it cannot be looked at, or there is none.
    """
    return _inspected([name], compose=compose, run=run)


def _inspected(names: t.Sequence[str], *, compose: Compose, run: Run) -> list[Instance]:
    argv = [*compose.container_command, "inspect", "--type", "container", "--format", CONTAINER_FORMAT, *names]
    return from_containers(_said(argv, run))


def _said(argv: t.Sequence[str], run: Run) -> str:
    ran = run(argv)
    if ran.problem:
        raise Blind(
            f"The service could not be looked at: {' '.join(argv[:4])} ...: {ran.problem}",
            hint="Correct what the runtime complains about, or the variables that name the service.",
        )
    return ran.out
