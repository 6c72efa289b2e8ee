# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the answers of an application come to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.answers import Answer
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.requests import origin, read_url, target
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.web import Asked, decide, http_probes, probes_of
from ansible_collections.oncall.incident.plugins.module_utils._probe.decisions.websocket import accept_of


def asked(answer: Answer, *, name: str = "shop", scope: str = "host") -> Asked:
    """A probe of a name, and what came of it."""
    return Asked(name=name, url="http://a/", scope=scope, place="from here", expected=(200, 204), warn_time=2.0, has_dependencies=False,
                 answer=answer)


def said(status: int | None) -> Answer:
    """A status, or no answer on the way."""
    return Answer(status=status, stage="" if status in (200, 204) else "status" if status else "timeout", problem="late")


@pytest.mark.parametrize(("statuses", "healthy", "status"), [
    ([200, 204], True, "ok"), ([200, 503], False, "critical"), ([None, 503], False, "critical"), ([200, None], None, "unknown"),
])
def test_a_url_that_gives_no_answer_does_not_fail(statuses: list[int | None], healthy: bool | None, status: str) -> None:
    found = decide([asked(said(one), name=f"n{number}") for number, one in enumerate(statuses)], asked=["application"]).verdict
    assert (found.healthy, found.statuses()["application"], found.asked) == (healthy, status, ("application",))
    assert all(one.subject in one.hint for one in found.findings if one.status != "ok")


@pytest.mark.parametrize(("answer", "scope", "status"), [
    (Answer(stage="refused", own=True), "host", "critical"), (Answer(stage="refused", own=True), "controller", "unknown"),
    (Answer(stage="refused", own=False), "host", "unknown"), (Answer(stage="timeout", own=True), "web-1", "critical"),
    (Answer(stage="no_answer", own=False), "host", "unknown"), (Answer(stage="dns"), "host", "unknown"),
    (Answer(stage="timeout", status=200), "controller", "critical"), (Answer(stage="tls", sure=True), "controller", "critical"),
    (Answer(stage="tls"), "host", "unknown"), (Answer(stage="no_way", own=True), "host", "unknown"),
    (Answer(stage="body", status=200, unclear=True), "host", "unknown"),
])
def test_only_what_cannot_be_the_way_is_critical(answer: Answer, scope: str, status: str) -> None:
    found = decide([asked(answer, scope=scope)], asked=["application"]).verdict
    assert found.statuses()["application"] == status and all(one.hint for one in found.findings if one.check == "application")


def test_a_slow_answer_is_a_warning_and_no_reason_to_act() -> None:
    found = decide([asked(Answer(status=200, seconds=2.5))], asked=["application"]).verdict
    assert found.healthy is True and found.status == "warning" and found.statuses()["latency"] == "warning"


@pytest.mark.parametrize(("entries", "names"), [
    ([{"url": "http://a/?x=1"}, {"url": "http://a/?x=2"}], ["http://a/?...", "http://a/?... (2)"]),
    ([{"url": "http://a/", "name": "one"}, {"url": "http://a/"}], ["one", "http://a/"]),
])
def test_names(entries: list[dict[str, Any]], names: list[str]) -> None:
    assert [one.name for one in probes_of(entries)] == names
    assert "x=1" not in repr(probes_of(entries))


@pytest.mark.parametrize("entries", [
    [], ["ftp://a"], [{"name": "a"}], [5], [{"url": "http://a/", "hedaers": {}}], [{"url": "http://a/", "method": "POST"}],
    [{"url": "http://a/", "dependencies": "db"}], [{"url": "http://a/", "headers": "x"}], [{"url": "http://a/", "websocket": "perhaps"}],
    [{"url": "http://[::1/"}], [{"url": "http://a/", "headers": {"X": "a\nb"}}], [{"url": "http://a/", "headers": {"X": "\u20ac"}}],
])
def test_what_cannot_be_asked_is_refused(entries: list[Any]) -> None:
    with pytest.raises(BadInput) as told:
        probes_of(entries)
    assert told.value.hint


def test_urls_are_read() -> None:
    url = read_url("WSS://Shop.Example.org:8443/Größe?q=ü#part", place="here")
    assert url == "https://shop.example.org:8443/Gr%C3%B6%C3%9Fe?q=%C3%BC" and target(url) == "/Gr%C3%B6%C3%9Fe?q=%C3%BC"
    assert (str(origin("http://[2001:db8::1]/")), origin("https://a/").host_header) == ("http://[2001:db8::1]", "a")
    assert not origin("http://a/").may_have_secrets_of(origin("https://a/")) and origin("https://a/").may_have_secrets_of(origin("http://a/"))
    assert not origin("http://b/").may_have_secrets_of(origin("http://a/")) and target(read_url("http://a?x", place="")) == "/?x"


def test_the_key_of_the_rfc() -> None:
    """Its own example: RFC 6455 section 1.3."""
    assert accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_probes_from_urls() -> None:
    given = ["http://a/", " http://a/ ", {"url": "http://b/", "scope": "web-1"}]
    assert http_probes(given, scope="controller", status=[204], max_time=10, validate_certs=False) == [
        {"url": "http://a/", "scope": "controller", "status": [204], "max_time": 10, "validate_certs": False},
        {"url": "http://b/", "scope": "web-1", "status": [204], "max_time": 10, "validate_certs": False},
    ]
    assert [one["url"] for one in http_probes([*given, {"url": "http://c/", "scope": "controller"}], only="host")] == ["http://a/", "http://b/"]
    assert [one["url"] for one in http_probes([{"url": "http://c/", "scope": "controller"}, "http://a/"], only="controller")] == ["http://c/"]
