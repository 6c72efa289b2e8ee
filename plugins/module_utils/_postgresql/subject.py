# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the PostgreSQL modules that act have in common: one session, the server's lock, and whose an approved action is.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import typing as t

from .._core import why
from .._core.acting import Subject, Target, answered
from .._core.actions import MOVED_ON, Action, Approved
from .connection import Session
from .signals import acting_alone

#: Opens the session of a call. Who gives it closes the session as well.
Connect = t.Callable[[], Session]


class OnServer(Subject[Target]):
    """Something on one server. The session is opened within the engine's call, so that approved actions are answered if that fails."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @functools.cached_property
    def session(self) -> Session:
        """The one session of the call, opened when it is first needed."""
        session = self._connect()
        self.resource = session.resource
        return session

    def alone(self) -> t.ContextManager[None]:
        return acting_alone(self.session)

    def concerns(self, one: Approved) -> bool:
        # Also of another server: after a failover the login leads elsewhere, and nobody else would answer.
        return not one.verb or one.verb in self.verbs

    def answer(self, one: Approved) -> Action:
        """Of an id alone: what it was for is not known, only that nothing has it now."""
        return answered(one, MOVED_ON, why.NO_LONGER_MATCHES)
