# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pg_health does: one look, or looks in one session until what is waited for holds.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._core.errors import IncidentError
from .._core.judging import answer
from .._core.log_grammars import POSTGRESQL
from .._module.logs import with_last_words
from .health import Eye, Look, Request
from .health_args import asked_from, open_session, prober_from


def run(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """The module's result, and the problem that must fail the task although there is a result.

    Raises:
        BadInput: an argument is not usable.
        Blind, CannotReach (of the kinds that say that we ask wrongly).
        ProbeRefused: the probe is waited for, and will never run.
    """
    question, request = asked_from(params)
    awaited = question.wait.checks if question.wait else ()
    brief = dataclasses.replace(request, checks=awaited)
    prober = prober_from(params)
    # Who looks again anyway takes each refusal as one measurement.
    eye = Eye(lambda: open_session(params, patient=question.wait is None), prober)

    def see(wanted: Request) -> Look:
        seen = eye.look(wanted)
        if "probe" in awaited and prober.refused is not None:
            raise prober.refused
        return with_last_words(seen, path=params["server_log"] or "", grammar=POSTGRESQL, port=params["login_port"])

    with contextlib.closing(eye):
        return answer(question, lambda: see(request), brief=lambda: see(brief))
