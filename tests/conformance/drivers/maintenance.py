# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance: a real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone

from tests.conformance.kit import Args, Mitigating
from tests.support.alertmanager import Alertmanager, alertmanager

SHOP = {"alertname": "ShopDown", "service": "shop", "instance": "web1"}


class _OfAlertmanager(Mitigating):
    server: Alertmanager

    @classmethod
    @contextmanager
    def stage(cls) -> Iterator[Alertmanager]:
        with alertmanager() as server:
            yield server

    def __init__(self, stage: Alertmanager) -> None:
        super().__init__(stage)
        self.server = stage

    @contextmanager
    def scene(self) -> Iterator[None]:
        self.server.fire(SHOP, {**SHOP, "instance": "web2"})
        try:
            yield
        finally:
            self.server.clear()

    def world(self) -> Any:
        return sorted(self.server.silences(), key=lambda one: str(one["id"]))

    def locked(self) -> AbstractContextManager[Any]:
        return acting_alone(f"alertmanager:{self.server.url}")

    def no_time(self) -> Args:
        return {"timeout": "0.01ms"}


class AlertSilence(_OfAlertmanager):
    """Two alerts that fire and fit."""

    module = "alert_silence"

    def args(self) -> Args:
        return {"url": self.server.url, "matchers": [{"name": "service", "value": "shop"}], "run": "7", "who": "ann"}

    def limits(self) -> Args:
        return {"max_alerts": 1}

    def leave(self) -> None:
        """Somebody else silences the same."""
        self.server.silence(seconds=7200, service="shop")


class AlertSilenceEnd(_OfAlertmanager):
    """A silence of ours, ended before its time."""

    module = "alert_silence"
    absent: ClassVar = {"over_the_limit": "it ends what this collection has made, and suppresses nothing"}

    @contextmanager
    def scene(self) -> Iterator[None]:
        with super().scene():
            made = self._made()
            (self.change,) = made["actions"]
            yield

    def _made(self) -> dict[str, Any]:
        return super().run(url=self.server.url, matchers=[{"name": "service", "value": "shop"}], change=None, run="7")

    def args(self) -> Args:
        return {"url": self.server.url, "change": getattr(self, "change", None)}

    def leave(self) -> None:
        (one,) = self.server.silences()
        self.server.ask("DELETE", f"silence/{one['id']}")
