# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Redis modules that act share: getting in where it is full, knowing the server, acting alone, answering for it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

from .._core import why
from .._core.acting import Subject, Target, answered
from .._core.actions import MOVED_ON, Action, Approved
from .._core.deadline import Deadline
from .._core.durations import parse_duration
from .._core.errors import CannotReach
from .._module.lease import acting_alone
from .args import way_from
from .connection import Client
from .decisions.state import NO_START, RESOURCE

#: Between two attempts to get in, seconds.
RETRY_PAUSE = 0.2


class OnServer(Subject[Target]):
    """What a module acts on at one Redis server.

    The server is entered when the engine asks for the first time, so that what was approved is answered also where nobody gets in.

    Args:
        params: of the module.

    Raises:
        BadInput: an argument of the connection is not usable.
    """

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self.way = way_from(params)
        self._retry = parse_duration(params["connect_retry"], name="connect_retry")
        self._client: t.Optional[Client] = None

    def entered(self) -> Client:
        """The connection to the server, opened the first time.

        While the server has none left, it is tried again for `connect_retry`: clients come and go.

        Raises:
            CannotReach: the server could not be reached or refused us.
            CommandRefused: INFO is not allowed.
        """
        if self._client is None:
            deadline = Deadline(self.way.max_seconds)
            patience = deadline.part(self._retry)
            while self._client is None:
                try:
                    self._client = self._enter(deadline)
                except CannotReach as exc:
                    if exc.facts.get("error") != "maxclients" or patience.remaining() <= RETRY_PAUSE:
                        raise
                    time.sleep(RETRY_PAUSE)
        return self._client

    def _enter(self, deadline: Deadline) -> Client:
        with contextlib.ExitStack() as undo:
            client = undo.enter_context(self.way.open(deadline))
            # Some servers refuse only with the first reply.
            self.resource = self.known_as(client)
            undo.pop_all()
        return client

    def known_as(self, client: Client) -> str:
        """The resource of its actions: this start of the server, not a name that leads to it.

        Raises:
            CannotReach, CommandRefused: see entered().
        """
        start = client.info("server").get("run_id", "")
        return RESOURCE + start if start else NO_START

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._client is not None:
            self._client.close()

    def alone(self) -> t.ContextManager[None]:
        self.entered()
        return acting_alone(self.resource)

    def too_late(self) -> str:
        return f"The {self.way.max_seconds:g} s of max_seconds are over" if self.entered().deadline.passed() else ""

    def concerns(self, one: Approved) -> bool:
        # Whatever start it was of: what was approved before a restart is answered after it.
        return not one.verb or (one.verb in self.verbs and one.resource.startswith(RESOURCE))

    def answer(self, one: Approved) -> Action:
        if not one.verb or one.resource == self.resource:
            return self.answer_here(dataclasses.replace(one, verb=one.verb or self.verbs[0], resource=self.resource))
        return answered(
            one, MOVED_ON, why.RESTARTED,
            error=f"It was approved for another start of the server, or for another server: this one is {self.resource}",
        )

    def answer_here(self, one: Approved) -> Action:
        """What became of an approved action on this start of the server whose target is not a candidate any more."""
        raise NotImplementedError
