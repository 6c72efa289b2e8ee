# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a service's runtime what runs of it. Only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .._core.errors import Blind, IncidentError
from .._module.files import text_of
from .._module.programs import Run
from .decisions.compose import compose_argv
from .decisions.instance import Instance
from .instances import (
    CONTAINER_FORMAT,
    ID_FORMAT,
    LABELS,
    UNIT_PROPERTIES,
    Container,
    DaemonDown,
    compose_containers,
    from_containers,
    from_systemd,
)

#: Field 22, counted from the state, which is field 3.
_START_TIME = 19
#: States of a process that has ended, field 3.
_ENDED = ("Z", "X")

#: How the command of Docker or of Podman says that nobody answers it.
_NO_DAEMON = ("cannot connect to the docker daemon", "failed to connect to the docker api", "unable to connect to podman")
#: So many containers are described at once: the words of one command have a limit.
_AT_ONCE = 200


@dataclasses.dataclass(frozen=True)
class Compose:
    """How a Compose project is asked: its command and the container runtime's own."""

    command: t.Sequence[str] = ("docker", "compose")
    directory: str = ""
    files: t.Sequence[str] = ()
    container_command: t.Sequence[str] = ("docker",)

    def argv(self, *words: str) -> list[str]:
        """A command of the project."""
        return compose_argv(self.command, directory=self.directory, files=self.files, words=words)


def unit(name: str, *, scope: str, run: Run) -> list[Instance]:
    """The systemd unit of this name.

    Raises:
        Blind: it cannot be looked at.
    """
    return [from_systemd(_said(_show([name], scope), run))]


def units(names: t.Sequence[str], *, scope: str, run: Run) -> list[t.Union[Instance, Blind]]:
    """The units of these names, each with its description or why it has none; in one look, where systemd describes each of them."""
    ran = run(_show(names, scope))
    blocks = [block for block in ran.out.split("\n\n") if block.strip()]
    if ran.problem or len(blocks) != len(names):
        # A name that is none has no description, and fails those after it.
        return [_or_blind(lambda name: unit(name, scope=scope, run=run)[0], name) for name in names]
    return [_or_blind(from_systemd, block) for block in blocks]


def _show(names: t.Sequence[str], scope: str) -> list[str]:
    return ["systemctl", f"--{scope}", "show", f"--property={','.join(UNIT_PROPERTIES)}", "--", *names]


def _or_blind(look: t.Callable[[str], Instance], what: str) -> t.Union[Instance, Blind]:
    try:
        return look(what)
    except Blind as exc:
        return exc


def containers(name: str, *, compose: Compose, run: Run) -> list[Instance]:
    """All containers of a service of a Compose project; none when it has none.

    Raises:
        Blind: they cannot be looked at.
    """
    ids = _said(compose.argv("ps", "--all", "--quiet", name), run).split()
    if not ids:
        return []
    return from_containers(_said(_inspect(compose, CONTAINER_FORMAT, ids), run))


def all_of_compose(command: t.Sequence[str], *, run: Run) -> list[Container]:
    """All containers of all Compose projects of an engine, in two commands however many there are.

    Raises:
        Blind: they cannot be looked at.
    """
    listing = [*command, "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABELS['service']}"]
    compose = Compose(container_command=command)
    for again in (True, False):
        ids = _said(listing, run).split()
        try:
            return [one for at in range(0, len(ids), _AT_ONCE)
                    for one in compose_containers(_said(_inspect(compose, CONTAINER_FORMAT, ids[at:at + _AT_ONCE]), run))]
        except DaemonDown:
            raise
        except Blind:
            # One that was removed in between fails the command.
            if not again:
                raise
    return []


def container_id(name: str, *, compose: Compose, run: Run) -> str:
    """The id of the container of this name.

    Raises:
        Blind: it cannot be looked at, or there is none.
    """
    return _said(_inspect(compose, ID_FORMAT, [name]), run).strip()


class CommandFailed(IncidentError):
    """A command in a container failed."""

    kind = "command_failed"


def run_in_containers(name: str, argv: t.Sequence[str], *, compose: Compose, run: Run) -> list[str]:
    """Run a command in each container of a service, one after the other; the ids of the containers.

    Raises:
        Blind: they cannot be looked at.
        CommandFailed: there are none, or the command failed in one. It was not run in those after that.
    """
    found = containers(name, compose=compose, run=run)
    if not found:
        raise CommandFailed(f"Service {name} has no container.", hint="Start the service, or correct its name.")
    for one in found:
        ran = run([*compose.container_command, "exec", one.id, *argv])
        if ran.problem:
            raise CommandFailed(
                f"{' '.join(argv)} failed in container {one.name}: {ran.problem}", hint="Run it there by hand.", container=one.id,
            )
    return [one.id for one in found]


def with_workers(instances: t.Sequence[Instance], *, proc: str = "/proc") -> list[Instance]:
    """The instances with the processes below the main process of each, by pid and start time."""
    return [dataclasses.replace(one, workers=tuple(_below(one.main_pid, proc)) if one.main_pid else ()) for one in instances]


def start_of(pid: t.Union[int, str], *, proc: str = "/proc") -> str:
    """When a process was started, in ticks since the host was; empty where it is not there, or has ended."""
    # proc(5), stat: the command is in parentheses and may hold any; field 22 is the start time.
    fields = text_of(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    return fields[_START_TIME] if len(fields) > _START_TIME and fields[0] not in _ENDED else ""


def _below(pid: int, proc: str) -> t.Iterator[str]:
    for child in text_of(f"{proc}/{pid}/task/{pid}/children").split():
        start = start_of(child, proc=proc)
        if start:
            yield f"{child}.{start}"
        yield from _below(int(child), proc)


def inspect_argv(command: t.Sequence[str], ids: t.Sequence[str]) -> list[str]:
    """The command that describes containers by CONTAINER_FORMAT."""
    return _inspect(Compose(container_command=command), CONTAINER_FORMAT, ids)


def _inspect(compose: Compose, form: str, names: t.Sequence[str]) -> list[str]:
    return [*compose.container_command, "inspect", "--type", "container", "--format", form, *names]


def _said(argv: t.Sequence[str], run: Run) -> str:
    ran = run(argv)
    if ran.problem:
        down = any(words in ran.problem.lower() for words in _NO_DAEMON)
        denied = "permission denied" in ran.problem.lower()
        raise (DaemonDown if down else Blind)(
            f"The service could not be looked at: {' '.join(_plainly(argv))}: {ran.problem}",
            hint="Run with become: true, or as a user who may open the socket of the engine." if denied else
            "Correct what the runtime complains about, or the variables that name the service.",
        )
    return ran.out


def _plainly(argv: t.Sequence[str]) -> list[str]:
    """What a command is, without the options that would push out what it complained about."""
    return [word for word in argv if not word.startswith("-")][:3]
