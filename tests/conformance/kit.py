# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a driver tells the kit: how a module's real target is made, and brought into each state.

Every mitigating and every health module has a driver in `tests/conformance/drivers/`; `tests/contract/test_conformance.py` keeps it so.
The steps are in `test_mitigating.py` and `test_health.py`, the same for all. A step that cannot be made is named in `absent`, with the
reason; nothing else leaves one out. A reason may name the test elsewhere that plays it: `tests/...py::test_name`, which must be there.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import lift
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

from tests.support.run_module import run_module

Args = dict[str, Any]
Result = dict[str, Any]

#: The steps that a driver may lack, for a reason.
MITIGATING_STEPS = ("decides_again_from_the_record", "over_the_limit", "gone_meanwhile", "locked", "past_the_deadline")
HEALTH_STEPS = ("sick", "denied", "frozen", "waits")


def recorded(result: Result) -> dict[str, Any]:
    """A result as the event of a record has it: lifted, redacted, and through JSON."""
    _events, rest = lift(result)
    clean, _removed = Redactor(key=b"k" * 32).clean({"result": rest})
    return dict(json.loads(json.dumps({"seq": 1, "type": "result", **clean})))


class Driver(ABC):
    """One module and the real thing that it looks at.

    Attributes:
        module: its name.
        absent: steps that do not apply, with the reason.
        needs: what the machine must have; see need().
    """

    module: ClassVar[str]
    absent: ClassVar[Mapping[str, str]] = {}

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[Any]:
        """What is slow to start and serves all steps: a server. Skips the test, with the reason, where the machine lacks it."""
        yield None

    def __init__(self, stage: Any) -> None:
        self.stage_given = stage

    @abstractmethod
    def scene(self) -> AbstractContextManager[Any]:
        """The targets of one step, made afresh, in the state in which there is something to do (or which is healthy)."""

    @abstractmethod
    def args(self) -> Args:
        """The module's arguments for the scene."""

    def run(self, *, check: bool = False, **more: Any) -> Result:
        """Run the module on the scene."""
        return run_module(self.module, check=check, **{**self.args(), **more})


class Mitigating(Driver):
    """A mitigating module. The scene has at least two targets to act on, unless `over_the_limit` and `gone_meanwhile` are absent.

    Attributes:
        repeats: why it does the same again when it is asked again; empty where the second time nothing is needed.
        second_time: the outcome of each action then; another one than `not_needed` has its reason there.
    """

    repeats: ClassVar[str] = ""
    second_time: ClassVar[str] = "not_needed"

    @abstractmethod
    def world(self) -> Any:
        """What must be equal before and after nothing was touched."""

    def limits(self) -> Args:
        """Arguments that allow fewer than there are."""
        raise NotImplementedError

    def leave(self) -> None:
        """Make one of the targets go away."""
        raise NotImplementedError

    def locked(self) -> AbstractContextManager[Any]:
        """While another run holds the lock."""
        raise NotImplementedError

    def no_time(self) -> Args:
        """Arguments whose time is over before anything can be begun."""
        raise NotImplementedError


class Health(Driver):
    """A health module. The scene is healthy.

    Attributes:
        within: seconds in which it has answered about a frozen target on a busy machine; `patient` bounds the look to less by far.
        awaited: what is waited for; None where the module's own default is.
        writes: it writes something of its own to look, so that it sees nothing in check mode.
    """

    within: ClassVar[float] = 60.0
    awaited: ClassVar[tuple[str, ...] | None] = None
    writes: ClassVar[bool] = False

    def sicken(self) -> AbstractContextManager[Any]:
        """While something that is asked is wrong."""
        raise NotImplementedError

    def culprits(self) -> Sequence[str]:
        """Who or what is to blame while it is sick: what a person must read on the screen and in the report."""
        raise NotImplementedError

    def denied(self) -> Args:
        """Arguments with which it may look at nothing."""
        raise NotImplementedError

    def run_denied(self, **more: Any) -> Result:
        """Run it so; where it is the user who may not, that is another process."""
        return self.run(**{**self.denied(), **more})

    def freeze(self) -> AbstractContextManager[Any]:
        """While the target takes no notice of anybody."""
        return nullcontext()

    def patient(self) -> Args:
        """Arguments that bound a look at a frozen target to a few seconds."""
        return {}
