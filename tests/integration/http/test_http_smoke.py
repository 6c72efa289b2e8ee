# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""http_smoke logs in at a real application that knows whom it has let in."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.run_module import run_module
from tests.support.web_app import App, Asked, answer, app, hangs

USER, PASSWORD = "smoke", "staple-battery-77"


@pytest.fixture
def shop() -> Iterator[App]:
    """An application whose orders need the token of a login."""
    tokens: list[str] = []

    def login(asked: Asked, serving: App, sock: socket.socket) -> None:
        right = asked.method == "POST" and json.loads(asked.body) == {"user": USER, "password": PASSWORD}
        if right:
            tokens.append(f"t/{secrets.token_hex(8)}")
        answer(200 if right else 401, {"data": {"token": tokens[-1], "id": 7}} if right else {"said": PASSWORD})(asked, serving, sock)

    def orders(asked: Asked, serving: App, sock: socket.socket) -> None:
        let_in = tokens and asked.headers.get("authorization") == f"Bearer {tokens[-1]}"
        answer(200 if let_in else 403, {"count": 3, "for": tokens[-1] if let_in else ""})(asked, serving, sock)

    with app({"/login": login, "/orders": orders, "/orders/7": orders, "/well": answer(200, b"{}")}) as served:
        yield served


def steps(shop: App, **last: Any) -> list[dict[str, Any]]:
    """Log in, look at the orders of the user that came of it."""
    return [
        {"name": "login", "url": shop.url("/login"), "method": "POST", "send": {"user": USER, "password": PASSWORD},
         "save": {"token": "data.token", "user": "data.id"}},
        {"name": "orders", "url": shop.url("/orders/{user}?key={token}"), "headers": {"Authorization": "Bearer {token}"},
         "json": {"count": {"op": ">", "value": 0}}, **last},
    ]


def test_what_a_login_gives_is_used_and_never_shown(shop: App) -> None:
    said = run_module("http_smoke", steps=steps(shop))
    assert said["healthy"] is True and said["findings"][0]["observed"] == "2 of 2 steps", said
    token = shop.asked[1].headers["authorization"].partition(" ")[2]
    assert token.startswith("t/") and shop.asked[1].path == f"/orders/7?key={token.replace('/', '%2F')}"
    failed = run_module("http_smoke", steps=steps(shop, json={"for": "nobody", "count": 4}))
    assert failed["findings"][0]["observed"] == "step 2 of 2: for is ********, not nobody; count is 3, not 4"
    for result in (said, failed):
        text = json.dumps(result)
        assert PASSWORD not in text and not any(one.headers["authorization"][7:] in text for one in shop.asked if one.path[1] == "o")
        assert result["invocation"]["module_args"]["steps"][0]["send"] == {"user": "********", "password": "********"}


def test_it_stops_at_the_first_failure_and_names_it(shop: App) -> None:
    wrong = steps(shop)
    wrong[0]["send"]["password"] = "other-battery-88"
    said = run_module("http_smoke", steps=wrong, fail_on="critical")
    assert said["failed"] and said["findings"][0]["subject"] == "login" and [one.path for one in shop.asked] == ["/login"]
    assert said["findings"][0]["observed"] == "step 1 of 2: it answered 401, not 200" and "other-battery-88" not in json.dumps(said)


def test_a_login_without_its_token_has_failed(shop: App) -> None:
    given = [{"name": "login", "url": shop.url("/well"), "save": {"token": "data.token"}}, *steps(shop)[1:]]
    found = run_module("http_smoke", steps=given)["findings"][0]
    assert (found["status"], found["observed"]) == ("critical", "step 1 of 2: data.token is not there, which the next steps need")
    assert len(shop.asked) == 1


def test_check_mode_sends_nothing(shop: App) -> None:
    said = run_module("http_smoke", check=True, steps=steps(shop), fail_on="warning", wait_for={"timeout": "5s"})
    assert said["healthy"] is None and said["findings"][0]["detail"]["reason"].startswith("check_mode:") and shop.asked == []


def test_no_way_is_unknown_and_where_it_waits_it_is_bounded(shop: App) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        assert run_module("http_smoke", steps=[{"url": url}], scope="controller")["healthy"] is None
        assert run_module("http_smoke", steps=[{"url": url}])["healthy"] is False
    shop.replies["/silent"] = hangs()
    many = [{"name": "well", "url": shop.url("/well")}, *({"name": f"n{number}", "url": shop.url("/silent")} for number in range(9))]
    said = run_module("http_smoke", steps=many, timeout="4s")
    assert said["findings"][0]["subject"] == "n0" and len(said["findings"][0]["detail"]["steps"]) == 2


@pytest.mark.parametrize(("given", "said"), [
    ([], "steps is empty"), ([{"url": "http://a/{token}"}, {"url": "http://a/", "save": {"token": "x"}}], "is saved by no step before it"),
    ([{"url": "http://a/", "save": {"to ken": "x"}}], "save is not a mapping"), ([{"url": "http://a/", "send": "x"}], "GET sends no body"),
    ([{"url": "http://a/", "method": "POST", "headers": {"X": "{a}\n"}, "send": "staple-battery-77"}, {"url": "x"}], "not an HTTP URL"),
])
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(given: list[dict[str, Any]], said: str) -> None:
    result = run_module("http_smoke", steps=given)
    assert result["failed"] and said in result["msg"] and result["hint"] and PASSWORD not in json.dumps(result), result
