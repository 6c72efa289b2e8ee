# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""http_health against servers that are wrong in every way, on the loopback."""

from __future__ import annotations

import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

from tests.support import pki
from tests.support.run_module import run_module, start_module
from tests.support.web_app import answer, app, drips, hangs, packed, says, upgrades

SECRET = "staple-battery-77"
BIG = 64 * 1024
NOT_OURS = "Sec-WebSocket-Accept is not the answer to our key, so a WebSocket server has not made it"


def ask(*probes: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The findings."""
    result = run_module("http_health", probes=[*probes], **more)
    assert "failed" not in result, result
    return list(result["findings"])


def of(findings: list[dict[str, Any]], check: str = "application") -> list[tuple[str, Any]]:
    """Status and what was observed."""
    return [(one["status"], one["observed"]) for one in findings if one["check"] == check]


def test_each_way_to_be_wrong_has_its_stage() -> None:
    replies = {
        "/well": answer(200, {"status": "ok"}), "/sick": answer(503), "/cut": says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
        "/chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf"), "/closed": says(b""),
        "/other": says(b"SSH-2.0-OpenSSH_9.2\r\n"), "/silent": hangs(), "/stuck": hangs(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1"),
        "/drips": drips, "/gzip": packed(b"x" * BIG + b"the end"), "/no-gzip": answer(200, b"plain", Content_Encoding="gzip"),
    }
    with app(replies) as served:
        expected = {
            "/well": ("ok", 200), "/sick": ("critical", 503), "/cut": ("critical", "body: the answer ended 96 bytes too early"),
            "/chunk": ("critical", "body: the answer was cut off"),
            "/closed": ("critical", f"no_answer: 127.0.0.1:{served.port} took the connection and closed it without an answer"),
            "/other": ("critical", f"no_answer: 127.0.0.1:{served.port} took the connection and does not speak HTTP"),
            "/silent": ("critical", f"timeout: 127.0.0.1:{served.port} took the connection and gave no answer within 1 s"),
            "/stuck": ("critical", "timeout: the answer 200 did not end within 1 s"),
            "/drips": ("critical", "timeout: the answer 200 did not end within 1 s"), "/gzip": ("ok", 200),
            "/no-gzip": ("critical", "body: the body is not gzip as its header says"), "/missing": ("critical", 404),
        }
        found = ask(*({"url": served.url(path), "max_time": "1s", "warn_time": "900ms"} for path in expected))
        assert dict(zip(expected, of(found), strict=True)) == expected
        slow = {one["subject"] for one in found if one["check"] == "latency" and one["status"] == "warning"}
        assert slow >= {served.url("/stuck"), served.url("/drips")}
        assert all(one["hint"] for one in found if one["status"] != "ok") and served.asked


def test_no_answer_is_unknown_where_it_may_be_the_way() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refuses = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        found = ask({"url": refuses}, {"name": "far", "url": refuses, "scope": "controller"}, {"url": "http://shop.invalid/"})
    assert [status for status, _observed in of(found)] == ["critical", "unknown", "unknown"]
    assert [one["detail"]["stage"] for one in found if one["check"] == "application"] == ["refused", "refused", "dns"]
    assert found[0]["detail"]["place"] == "from the host itself" and "from the controller" in found[1]["hint"]


def test_a_hanging_server_holds_up_nobody_and_the_whole_is_bounded() -> None:
    with app({"/silent": hangs(), "/well": answer()}) as served:
        probes = [{"name": f"silent {number}", "url": served.url("/silent"), "max_time": "1m"} for number in range(70)]
        began = time.monotonic()
        found = ask({"name": "well", "url": served.url("/well")}, *probes, timeout="1s")
        assert time.monotonic() - began < 20
    assert of(found)[0] == ("ok", 200) and len(of(found)) == 71 and {status for status, _ in of(found)[1:]} <= {"critical", "unknown"}
    assert any("was not asked within 1 s" in str(observed) for _status, observed in of(found)), "65 and more were waiting"


@pytest.mark.parametrize(("wanted", "status", "observed"), [
    ({"body": "database"}, "ok", 200), ({"body": "nothing"}, "critical", "body: 'nothing' is not in the body"),
    ({"body_regex": r"pool\W+3\b"}, "ok", 200), ({"body_regex": "^x"}, "critical", "body: '^x' matches nothing in the body"),
    ({"json": {"database": "ok", "pool": 3, "ready": True, "checks.0.name": "disk"}}, "ok", 200),
    ({"json": {"pool": "3", "ready": "true"}}, "ok", 200), ({"json": {"pool": True}}, "critical", "json: pool is 3, not true"),
    ({"json": {"pool": {"op": "<", "value": 3}}}, "critical", "json: pool is 3, not < 3"),
    ({"json": {"database": ["up", "ok"], "queue": {"op": "exists", "value": False}}}, "ok", 200),
    ({"json": {"queue.depth": 0, "database": "up"}}, "critical", "json: queue.depth is not there; database is ok, not up"),
    ({"status": [404]}, "critical", 200),
])
def test_conditions(wanted: dict[str, Any], status: str, observed: Any) -> None:
    with app({"/": answer(200, {"database": "ok", "pool": 3, "ready": True, "checks": [{"name": "disk"}]})}) as served:
        assert of(ask({"url": served.url("/"), **wanted})) == [(status, observed)]


def test_what_is_beyond_the_first_64_kib_is_unknown() -> None:
    with app({"/": answer(200, b"x" * BIG + b"ready")}) as served:
        found = ask({"url": served.url("/"), "body": "ready"}, {"name": "json", "url": served.url("/"), "json": {"a": 1}})
    assert of(found) == [
        ("unknown", "body: of the body only the first 64 KiB are read, and 'ready' is not in the body"),
        ("unknown", "json: of the body only the first 64 KiB are read, and the body is not JSON"),
    ]


def test_dependencies_have_the_status_that_the_body_says() -> None:
    body = {"status": "DOWN", "components": {"db": {"status": "UP"}, "redis": {"status": "DOWN"}}, "queue": "degraded", "disk": True,
            "mail": "sulking", "checks": {"time": [{"status": "pass"}, {"status": "fail"}]}}
    paths = ["components.*", "queue", "disk", "mail", "checks.time", "search"]
    with app({"/": answer(503, body), "/html": answer(200, b"<html>")}) as served:
        found = ask({"name": "shop", "url": served.url("/"), "dependencies": paths}, {
            "name": "html", "url": served.url("/html"), "dependencies": ["db"]})
    told = {one["subject"]: (one["status"], one["observed"]) for one in found if one["check"] == "dependency"}
    assert told == {
        "shop: components.db": ("ok", "UP"), "shop: components.redis": ("critical", "DOWN"), "shop: queue": ("warning", "degraded"),
        "shop: disk": ("ok", "true"), "shop: mail": ("unknown", "sulking"), "shop: checks.time": ("critical", "fail"),
        "shop: search": ("unknown", "it is not there"), "html": ("unknown", "nothing"),
    }


def test_websocket() -> None:
    with app({"/chat": upgrades(), "/wrong": upgrades(wrong=True), "/plain": answer()}) as served:
        paths = ["/chat", "/wrong", "/plain"]
        found = ask(*({"url": served.url(path).replace("http", "ws"), "websocket": True} for path in paths))
        assert of(found) == [
            ("ok", 101), ("critical", f"websocket: {NOT_OURS}"), ("critical", 200),
        ]


def test_a_redirect_is_followed_and_its_secrets_stay_at_home() -> None:
    """A server that wants our headers redirects to itself by another name or port."""
    with app({}) as thief, app({}) as served:
        thief.replies["/stolen"] = answer(200, b"welcome")
        served.replies.update({
            "/away": answer(302, Location=thief.url(f"/stolen?key={SECRET}")), "/here": answer(307, Location="/well"),
            "/well": answer(200), "/loop": answer(302, Location="/loop"), "/file": answer(302, Location="file:///etc/passwd"),
        })
        named = {"X-Any": SECRET, "Authorization": f"Bearer {SECRET}"}
        found = ask(*({"url": served.url(path), "headers": named} for path in ("/away", "/here", "/loop", "/file")),
                    {"name": "said", "url": served.url("/away"), "status": [302]})
        assert of(found) == [("ok", 200), ("ok", 200), ("critical", 302), ("critical", 302), ("ok", 302)]
        assert found[0]["detail"]["redirects"] == [thief.url("/stolen?...")] and len(found[2]["detail"]["redirects"]) == 5
        assert thief.asked and all(SECRET not in str(one.headers) for one in thief.asked)
        assert all(one.headers["x-any"] == SECRET for one in served.asked if one.path == "/well")
        assert SECRET not in json.dumps(found)


def test_no_secret_is_anywhere_and_nothing_else_is_hidden() -> None:
    """A key of one letter would take that letter out of every text, if Ansible hid it."""
    body = {"echo": f"Bearer {SECRET}", "error": f"no user {SECRET} in x"}
    with app({"/": answer(200, body)}) as served:
        probes = [
            {"name": "box", "url": served.url(f"/?key={SECRET}"), "headers": {"X-Key": "x", "Authorization": f"Bearer {SECRET}"},
             "json": {"echo": "none", "error": {"op": "==", "value": "boxes"}}},
            {"name": "box", "url": served.url("/"), "headers": {"X-Key": "x"}},
        ]
        result = run_module("http_health", probes=probes[:1])
        refused = run_module("http_health", probes=probes)
        broken = run_module("http_health", probes=[{**probes[0], "headers": {"Bad Name": SECRET, "Worse": f"{SECRET}\r\nX: y"}}])
        sent = served.asked[0]
    assert (sent.headers["x-key"], sent.headers["authorization"]) == ("x", f"Bearer {SECRET}") and sent.path == f"/?key={SECRET}"
    observed = of(result["findings"])[0][1]
    assert observed == "json: echo is ********, not none; error is no user ******** in x, not boxes"
    for said in (result, refused, broken):
        assert SECRET not in json.dumps(said) and said["invocation"]["module_args"]["probes"][0]["name"] == "box"
    assert "the name box is there twice" in refused["msg"] and "'Bad Name' is not a header's name" in broken["msg"]
    args = {"probes": probes, "steps": [{"url": "http://a/", "send": {"user": "u", "word": SECRET}}, {"url": "http://a/", "send": SECRET}]}
    clean, _removed = Redactor(key=b"k" * 32).clean({"args": args, "said": "boxes and x"})
    assert SECRET not in json.dumps(clean["args"]["steps"]) and '"X-Key": "x"' not in json.dumps(clean)
    assert clean["said"] == "boxes and x", "what a header says is not looked for elsewhere"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A CA and the certificates that it has signed."""
    root = pki.root()
    root.write(tmp_path / "ca.pem")
    for name, issued in (("good", root.issue("localhost", "127.0.0.1")), ("old", root.issue("localhost", ends=-pki.DAY)),
                         ("other", root.issue("www.example.org"))):
        issued.write(tmp_path, name=name)
    return tmp_path


@pytest.mark.parametrize(("name", "more", "status", "said"), [
    ("good", {}, "ok", "200"), ("good", {"ca": ""}, "unknown", "tls: the certificate is not valid: "),
    ("old", {}, "critical", "tls: the certificate is not valid: certificate has expired"),
    ("other", {}, "critical", "tls: the certificate is not valid: Hostname mismatch"), ("other", {"validate_certs": False}, "ok", "200"),
])
def test_tls(place: Path, name: str, more: dict[str, Any], status: str, said: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / f"{name}.pem", place / f"{name}.key")
    with app({"/": answer()}, context=context) as served:
        found = of(ask({"url": served.url("/", "localhost"), "ca": str(place / "ca.pem"), **more}))
    assert found[0][0] == status and str(found[0][1]).startswith(said), found


def test_one_server_behind_a_name_is_asked(place: Path) -> None:
    """The name is nowhere known; TLS, its certificate and Host are the name's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "other.pem", place / "other.key")
    names: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    with app({"/": answer()}, context=context) as served, app({"/": answer()}) as plain:
        ca = {"ca": str(place / "ca.pem")}
        found = ask({"url": "https://www.example.org/", "connect_to": f"127.0.0.1:{served.port}", **ca},
                    {"name": "plain TLS", "url": f"https://127.0.0.1:{plain.port}/", **ca})
        assert of(found)[0] == ("ok", 200) and names == ["www.example.org"] and served.asked[0].headers["host"] == "www.example.org"
        assert found[1]["detail"]["stage"] == "tls", found[1]


@pytest.mark.parametrize(("probe", "said"), [
    ({"url": "ftp://a/"}, "is not an HTTP URL"), ({"url": "http://u:staple-battery-77@a/"}, "has a user or a password in it"),
    ({"url": "http://a:0/"}, "is not an HTTP URL"), ({"url": "http://a b/"}, "is not an HTTP URL"),
    ({"url": "http://a/", "connect_to": "http://b"}, "connect_to is a URL"), ({"url": "http://a/", "connect_to": "b:99999"}, "connect_to"),
    ({"url": "http://a/", "body_regex": "("}, "not a regular expression"), ({"url": "http://a/", "status": [99]}, "status"),
    ({"url": "http://a/", "json": {"a": {"op": "~", "value": 1}}}, "no such condition"),
    ({"url": "http://a/", "max_time": "0s"}, "max_time"),
    ({"url": "http://a/", "ca": "/nowhere.pem"}, "ca: /nowhere.pem is not usable"),
    ({"url": "http://a/", "method": "HEAD", "websocket": True}, "GET"),
])
def test_what_cannot_be_asked_is_refused(probe: dict[str, Any], said: str) -> None:
    result = run_module("http_health", probes=[probe])
    assert result["failed"] and said in result["msg"] and SECRET not in json.dumps(result), result
    assert result["error"] == "bad_input" and result["hint"]


def test_nothing_is_asked_where_nothing_is_named() -> None:
    assert "probes is empty" in run_module("http_health", probes=[])["msg"]


def test_a_probe_in_check_mode_is_the_same_and_a_name_of_ipv6_is_asked() -> None:
    with app({"/": answer()}, address="::1") as served:
        assert served.scheme == "http"
        found = start_module("http_health", check=True, probes=[{"url": f"http://[::1]:{served.port}/"}]).result()
    assert found["healthy"] is True and found["findings"][0]["detail"]["address"] == f"[::1]:{served.port}"
