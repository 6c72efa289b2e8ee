# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance by a real NGINX with the configuration of the docs, and by an application's own API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import maintaining
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.maintaining import put_on, switch, take_off

from tests.support.maintenance import SECRET, Application, Shop, application, shop
from tests.support.run_module import run_module


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Shop]:
    with shop(tmp_path / "shop") as found:
        yield found


@pytest.fixture
def app() -> Iterator[Application]:
    with application() as found:
        yield found


def seen(one: Shop, wanted: str = "as_is", **more: Any) -> dict[str, Any]:
    return run_module("maintenance_health", **{"path": str(one.flag), "wanted": wanted, **one.probes(), **more})


def flag_order(one: Shop, *, run: str = "7", who: str = "ann", expires: str = "1h") -> dict[str, Any]:
    where = switch("flag", name="shop", flag=str(one.flag))
    return put_on(where, seen=seen(one), host="web1", run=run, who=who, expires=expires)


def api_where(app: Application, place: Path, **more: Any) -> dict[str, Any]:
    settings = app.settings()
    return switch(
        "api", name="shop", api=settings["maintenance_api"], note=str(place / "note"), public=settings["maintenance_public"], **more)


def test_a_flag_is_maintenance_for_users_and_for_nobody_else(served: Shop) -> None:
    before = seen(served, "off")
    assert (before["healthy"], before["on"], before["checks"]["public_answer"]) == (True, False, "ok"), before
    assert seen(served, "on")["healthy"] is False

    order = flag_order(served)
    done = run_module("maintenance_switch", state="on", path=str(served.flag), text=order["text"])
    assert "failed" not in done, done
    on = seen(served, "on")
    assert (on["healthy"], on["on"], set(on["checks"].values())) == (True, True, {"ok"}), on
    observed = {one["check"]: one["observed"] for one in on["findings"]}
    assert observed["public_answer"] == "503 with Retry-After 600" and observed["health_answer"] == observed["bypass_answer"] == 200
    assert "by ann, run 7" in on["whose"] and on["note"]["change"]["temporary"]["armed_as"].startswith("oncall-incident-undo-")
    as_is = seen(served)
    assert (as_is["status"], as_is["checks"]["maintenance_switch"]) == ("warning", "warning")
    assert (served.flag.stat().st_mode & 0o777, served.flag.stat().st_uid) == (0o644, served.flag.parent.stat().st_uid)

    off = run_module("maintenance_switch", state="off", path=str(served.flag), mark=order["text"]["mark"])
    assert "failed" not in off and not served.flag.exists() and seen(served, "off")["healthy"] is True
    assert list(served.flag.parent.iterdir()) == [], "nothing stays"


def test_what_is_on_already_stays_whose_it_is(served: Shop) -> None:
    order, other = flag_order(served), flag_order(served, run="8", who="bob")
    assert "failed" not in run_module("maintenance_switch", state="on", path=str(served.flag), text=order["text"])
    kept = served.flag.read_bytes()
    refused = run_module("maintenance_switch", state="on", path=str(served.flag), text=other["text"])
    assert (refused["error"], served.flag.read_bytes()) == ("not_ours", kept) and "by ann, run 7" in refused["msg"], refused
    wrong = run_module("maintenance_switch", state="off", path=str(served.flag), mark=other["text"]["mark"])
    assert (wrong["error"], served.flag.read_bytes()) == ("not_ours", kept)
    assert list(served.flag.parent.iterdir()) == [served.flag]


def test_check_mode_touches_nothing(served: Shop) -> None:
    order = flag_order(served)
    assert run_module("maintenance_switch", check=True, state="on", path=str(served.flag), text=order["text"])["changed"] is True
    assert list(served.flag.parent.iterdir()) == []
    served.flag.write_text("")
    assert run_module("maintenance_switch", check=True, state="off", path=str(served.flag))["changed"] is True
    assert served.flag.exists()


def test_a_flag_that_the_proxy_does_not_ask_for_is_found_out(served: Shop) -> None:
    elsewhere = served.place / "elsewhere.on"
    order = flag_order(served)
    run_module("maintenance_switch", state="on", path=str(elsewhere), text=order["text"])
    said = seen(served, "on", path=str(elsewhere))
    assert (said["healthy"], said["checks"]["public_answer"]) == (False, "critical"), said


def test_a_health_url_that_maintenance_answers_for_is_found_out(served: Shop) -> None:
    order = flag_order(served)
    run_module("maintenance_switch", state="on", path=str(served.flag), text=order["text"])
    said = seen(served, "on", health=[{"name": "health", "url": f"{served.url}/"}])
    assert (said["healthy"], said["checks"]["health_answer"]) == (False, "critical"), said


def test_a_health_url_that_was_sick_before_stays_honest(served: Shop) -> None:
    served.app.sick = True
    order = flag_order(served)
    run_module("maintenance_switch", state="on", path=str(served.flag), text=order["text"])
    assert seen(served, "on")["healthy"] is True
    served.app.sick = False
    assert seen(served, "on")["healthy"] is True, "it may recover meanwhile"


def test_a_feature_leaves_the_rest_as_it_is(served: Shop) -> None:
    settings = served.settings()
    given = {key: settings[f"maintenance_{key}"] for key in ("scopes", "public", "health", "bypass")}
    where = switch("flag", name="shop", flag=str(served.flag), scope="checkout", **given)
    order = put_on(where, seen={}, host="web1", run="7", who="ann", expires="1h")
    run_module("maintenance_switch", state="on", path=where["path"], text=order["text"])
    said = run_module(
        "maintenance_health", path=where["path"], wanted="on", public=where["public"], health=where["health"], bypass=where["bypass"])
    assert said["healthy"] is True and said["statuses"] == {"checkout": 503, "health": 200, "shop": 200}, said
    served.flag.write_text("")  # somebody puts all of it into maintenance
    wider = run_module("maintenance_health", path=where["path"], wanted="on", public=where["public"], health=where["health"])
    assert wider["checks"]["health_answer"] == "critical", wider


def test_a_flag_made_by_hand_is_nobodys_to_take_off(served: Shop) -> None:
    served.flag.write_text("deploy\n")
    found = seen(served)
    assert found["on"] is True and "made by hand by" in found["whose"] and found["note"]["mark"] == ""
    where = switch("flag", name="shop", flag=str(served.flag))
    refused = take_off(where, seen=found, run="7", who="ann")
    assert "maintenance_whose=any" in refused["forbidden"][0]
    assert take_off(where, seen=found, run="7", who="ann", whose="any")["forbidden"] == []


def test_the_way_back_removes_our_flag_and_no_other(served: Shop) -> None:
    order = flag_order(served)
    command = order["temporary"]["command"]
    assert subprocess.run(command, check=False).returncode == 0, "there is nothing to take back"
    served.flag.write_text("deploy\n")
    assert subprocess.run(command, check=False).returncode == 0 and served.flag.exists(), "another one's stays"
    served.flag.unlink()
    run_module("maintenance_switch", state="on", path=str(served.flag), text=order["text"])
    assert subprocess.run(command, check=False).returncode == 0 and not served.flag.exists()


def api_seen(app: Application, where: dict[str, Any], wanted: str = "as_is") -> dict[str, Any]:
    settings = app.settings()
    return run_module(
        "maintenance_health", path=where["path"], api=True, wanted=wanted, public=settings["maintenance_public"],
        health=settings["maintenance_health"],
    )


def call(app: Application, state: str, path: str, **more: Any) -> dict[str, Any]:
    api = app.settings()["maintenance_api"]
    return run_module("maintenance_switch", state=state, path=path, url=api["url"], body=api[state], **more)


def test_an_api_is_called_and_its_header_is_nowhere(app: Application, tmp_path: Path) -> None:
    where = api_where(app, tmp_path, header=f"X-Admin-Token: {SECRET}")
    order = put_on(where, seen=api_seen(app, where), host="app1", run="7", who="ann", expires="1h")
    assert order["temporary"]["expires"] == "" and "incident undo" in order["temporary"]["way_back"], "the timer has no header"
    done = call(app, "on", where["path"], text=order["text"], secret_header=f"X-Admin-Token: {SECRET}")
    assert "failed" not in done and app.calls == [True] and done["status"] == 200, done
    assert SECRET not in json.dumps(done) and SECRET not in Path(where["path"]).read_text()
    assert api_seen(app, where, "on")["healthy"] is True
    mark = order["text"]["mark"]
    off = call(app, "off", where["path"], mark=mark, secret_header=f"X-Admin-Token: {SECRET}")
    assert "failed" not in off and app.calls == [True, False] and not Path(where["path"]).exists()


def test_an_api_that_refuses_leaves_no_note(app: Application, tmp_path: Path) -> None:
    where = api_where(app, tmp_path)
    order = put_on(where, seen={}, host="app1", run="7", who="ann", expires="1h")
    refused = call(app, "on", where["path"], text=order["text"], secret_header="X-Admin-Token: wrong-one")
    assert refused["error"] == "cannot_reach" and "401" in refused["msg"] and "wrong-one" not in json.dumps(refused)
    assert not Path(where["path"]).exists() and app.calls == []


def test_an_api_that_does_nothing_is_found_out(app: Application, tmp_path: Path) -> None:
    app.lazy = True
    where = api_where(app, tmp_path)
    order = put_on(where, seen={}, host="app1", run="7", who="ann", expires="1h")
    assert "failed" not in call(app, "on", where["path"], text=order["text"], secret_header=f"X-Admin-Token: {SECRET}")
    said = api_seen(app, where, "on")
    assert (app.calls, said["on"], said["healthy"]) == ([True], False, False), said


def test_the_timer_calls_the_api_with_the_header_of_the_file(app: Application, tmp_path: Path) -> None:
    header = tmp_path / "header"
    header.write_text(f"X-Admin-Token: {SECRET}\n")
    where = api_where(app, tmp_path, header_file=str(header))
    order = put_on(where, seen={}, host="app1", run="7", who="ann", expires="1h", header_file=str(header))
    command = order["temporary"]["command"]
    assert order["temporary"]["expires"] == "1h" and SECRET not in json.dumps(order)
    assert "failed" not in call(app, "on", where["path"], text=order["text"], header_file=str(header))
    header.rename(tmp_path / "elsewhere")
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0 and app.on, "it is tried again"
    (tmp_path / "elsewhere").rename(header)
    assert subprocess.run(command, check=False).returncode == 0
    assert app.calls == [True, False] and not app.on and not Path(where["path"]).exists()
    assert subprocess.run(command, check=False).returncode == 0 and app.calls == [True, False], "once"


def test_the_timer_asks_users_whether_the_api_has_done_it(app: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its unit fails, stays and tries again; systemd and `incident in-force` show it."""
    monkeypatch.setattr(maintaining, "_SEEN", 1)
    header = tmp_path / "header"
    header.write_text(f"X-Admin-Token: {SECRET}\n")
    where = api_where(app, tmp_path, header_file=str(header))
    order = put_on(where, seen={}, host="app1", run="7", who="ann", expires="1h", header_file=str(header))
    command = order["temporary"]["command"]
    assert "failed" not in call(app, "on", where["path"], text=order["text"], header_file=str(header))
    app.lazy = True
    tried = subprocess.run(command, check=False, capture_output=True, text=True)
    assert tried.returncode == 1 and "users still see maintenance" in tried.stderr and SECRET not in tried.stderr, tried
    assert app.on and Path(where["path"]).exists() and app.calls == [True, False], "whose it is stays known"
    app.lazy = False
    assert subprocess.run(command, check=False).returncode == 0 and not app.on and not Path(where["path"]).exists()


def test_the_timer_knows_no_secret_of_a_probe(app: Application, tmp_path: Path) -> None:
    secret = {"headers": {"Authorization": "Bearer hidden-word"}}
    settings = app.settings()
    given: dict[str, Any] = {"api": settings["maintenance_api"], "note": str(tmp_path / "note"), "header_file": str(tmp_path / "header")}
    public = [{"url": f"{app.url}/"}, {"url": f"{app.url}/mine", **secret}, {"url": f"{app.url}/?key=hidden-word"}]
    order = put_on(switch("api", name="shop", public=public, **given), seen={}, host="app1", run="7", who="ann", expires="1h")
    assert json.loads(order["temporary"]["command"][-2]) == [[f"{app.url}/", "", 0, True, ""]] and "hidden-word" not in json.dumps(order)
    where = switch("api", name="shop", public=public[1:], **given)
    order = put_on(where, seen={}, host="app1", run="7", who="ann", expires="1h")
    assert order["temporary"]["way_back"].endswith("nobody asks then what users see, since each public URL has a secret")


def test_an_api_that_does_not_take_it_off_keeps_the_note(app: Application, tmp_path: Path) -> None:
    where = api_where(app, tmp_path)
    order = put_on(where, seen={}, host="app1", run="7", who="ann", expires="1h")
    header = f"X-Admin-Token: {SECRET}"
    assert "failed" not in call(app, "on", where["path"], text=order["text"], secret_header=header)
    app.lazy, kept = True, Path(where["path"]).read_text()
    off = {"mark": order["text"]["mark"], "secret_header": header, "public": where["public"], "timeout": "1s"}
    refused = call(app, "off", where["path"], **off)
    assert refused["error"] == "not_switched" and Path(where["path"]).read_text() == kept and SECRET not in json.dumps(refused), refused
    app.lazy = False
    assert "failed" not in call(app, "off", where["path"], **off) and not Path(where["path"]).exists() and not app.on


def test_a_feature_of_an_api_has_a_body_of_its_own(app: Application) -> None:
    settings = app.settings()
    scopes = {"assistant": {"api": {"on": {"enabled": True, "scope": "assistant"}}, "public": [{"url": f"{app.url}/assistant"}]}}
    given = {"api": settings["maintenance_api"], "public": settings["maintenance_public"], "scopes": scopes}
    where = switch("api", name="shop", scope="assistant", **given)
    assert where["api"]["on"] == {"enabled": True, "scope": "assistant"} and where["api"]["url"] == settings["maintenance_api"]["url"]
    assert where["path"] != switch("api", name="shop", **given)["path"] and where["health"] == settings["maintenance_public"]
    with pytest.raises(BadInput, match="assistant lacks flag"):
        switch("flag", name="shop", flag="/srv/on", scope="assistant", scopes=scopes)
