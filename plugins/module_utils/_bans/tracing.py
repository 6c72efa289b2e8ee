# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real packets that one call traces, over all of its looks.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .._core.addresses import Span
from .._firewall.decisions.measured import Measured, Request, Traced, is_settled
from .._firewall.tracer import trace_packets
from .._module.programs import Run
from .decisions.traced import Trace


class Tracing:
    """Traces whom it was asked to, until it is known what becomes of their packets.

    A look traces again those of whom it is not known yet that they come through: what dropped them may be gone by now.
    """

    def __init__(self, request: Request, *, run: Run, trace: t.Callable[..., Measured] = trace_packets) -> None:
        self._request, self._run, self._trace = request, run, trace
        self._known: dict[Span, Traced] = {}
        #: Our object in the kernel, see Measured; None before anybody was traced.
        self.said: t.Optional[dict[str, t.Any]] = None

    def forget(self) -> None:
        """Forget what kept somebody out: it may be gone by now."""
        self._known = {span: traced for span, traced in self._known.items() if is_settled(traced)}

    def look(self, spans: t.Optional[t.Collection[Span]] = None) -> None:
        """Trace those who are not known to come through.

        Args:
            spans: of whom it is to be known; None is everybody.
        """
        wanted = tuple(
            span for span in self._request.spans
            if (spans is None or span in spans) and not (span in self._known and is_settled(self._known[span]))
        )
        if not wanted:
            return
        measured = self._trace(self._request.about(wanted), run=self._run)
        self._known.update({span: measured.of(span) for span in wanted})
        self.said = dict(measured.said)

    def known(self) -> tuple[Trace, ...]:
        """What was seen until now."""
        return tuple(Trace(span, traced) for span, traced in self._known.items())
