# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which refusals are tried again, and which one is reported. The way in is injected, so no server is needed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach
from ansible_collections.oncall.incident.plugins.module_utils._postgresql import connection
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.connection import Login, connect

MAIN, OTHER = Login(user="main"), Login(user="other")


class Ways:
    """Answers every login with what the test says, in turn; the last answer stays."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.tried: list[str] = []

    def open(self, login: Login, *_times: Any) -> Any:
        self.tried.append(login.user)
        left = self.answers[login.user]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer != "ok":
            raise CannotReach(answer, error=answer, server_message=f"it said {answer}")
        return type("Open", (), {"login": login})()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_RETRY_PAUSE", 0.001)


def attempt(monkeypatch: pytest.MonkeyPatch, ways: Ways, *, retry: float = 5.0) -> Any:
    monkeypatch.setattr(connection, "_open", ways.open)
    return connect([MAIN, OTHER], connect_retry=retry)


def test_the_first_login_that_works_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = Ways(main=["wrong_password"], other=["ok"])
    session = attempt(monkeypatch, ways)
    assert (session.login, ways.tried) == (OTHER, ["main", "other"])
    assert [(one.login, one.error) for one in session.attempts] == [(MAIN, "wrong_password")]


def test_taken_slots_are_tried_again_and_final_refusals_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = Ways(main=["slots_exhausted", "slots_exhausted", "starting_up", "ok"], other=["wrong_password"])
    assert attempt(monkeypatch, ways).login == MAIN
    assert ways.tried == ["main", "other", "main", "main", "main"]


def test_a_text_that_is_not_understood_may_pass_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = Ways(main=["cannot_connect", "ok"], other=["wrong_password"])
    assert attempt(monkeypatch, ways).login == MAIN


@pytest.mark.parametrize(("main", "other", "error"), [
    ("refused", "wrong_password", "refused"), ("wrong_password", "slots_exhausted", "slots_exhausted"),
    ("slots_exhausted", "slots_exhausted", "slots_exhausted"), ("pooled", "no_socket", "pooled"),
])
def test_what_ails_the_server_is_reported(monkeypatch: pytest.MonkeyPatch, main: str, other: str, error: str) -> None:
    with pytest.raises(CannotReach) as caught:
        attempt(monkeypatch, Ways(main=[main], other=[other]), retry=0.01)
    assert caught.value.facts["error"] == error
    assert [one["error"] for one in caught.value.facts["attempts"]] == [main, other]


def test_final_refusals_everywhere_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = Ways(main=["refused"], other=["timeout"])
    with pytest.raises(CannotReach):
        attempt(monkeypatch, ways, retry=1000)
    assert ways.tried == ["main", "other"]
