# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions import helping
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.compose import compose_argv

ASKED = {"verb": "restart_service", "reason": "No slot is left."}
FORCED = "Its restart was asked for (service_restart=always)."


@pytest.mark.parametrize(("requests", "given", "raises", "restarts", "reason"), [
    ([], {}, False, False, FORCED), ([ASKED], {}, False, True, "No slot is left."),
    ([{"verb": "restart_database", "reason": "x"}], {}, False, False, FORCED),
    ([ASKED], {"services": []}, False, False, "No slot is left."), ([ASKED], {"restart": "never"}, False, False, "No slot is left."),
    ([], {"restart": "always"}, False, True, FORCED), ([], {"services": [], "restart": "always"}, False, False, FORCED),
    ([], {"pool_size": "30"}, True, False, FORCED),
    ([], {"pool_size": 30, "pool_raised": True}, True, True, "The size of its connection pool was raised."),
    ([], {"pool_size": 30, "pool_raised": True, "restart": "never"}, True, True, "The size of its connection pool was raised."),
    ([], {"pool_size": 30, "pool_raised": True, "services": []}, True, False, "The size of its connection pool was raised."),
    ([ASKED, {**ASKED, "reason": "other"}], {"pool_size": 30, "pool_raised": True}, True, True, "No slot is left."),
])
def test_what_is_done_for_an_application(requests: list[Any], given: dict[str, Any], raises: bool, restarts: bool, reason: str) -> None:
    options: dict[str, Any] = {"services": [{"name": "shop"}], "restart": "auto", "pool_size": 0, "pool_raised": False, **given}
    assert helping.help_plan(requests, **options) == {
        "raises_pool": raises, "restarts": restarts, "acts": raises or restarts, "reason": reason,
        "names": [] if given.get("services") == [] else ["shop"],
    }


def test_of_several_services_those_with_a_pool_are_restarted() -> None:
    known: list[dict[str, Any]] = [{"name": "nginx"}, {"name": "web", "pool": 5}, {"name": "worker", "pool": 2}]
    options: dict[str, Any] = {"restart": "auto", "pool_size": 0, "pool_raised": False}
    assert helping.help_plan([ASKED], services=known, **options)["names"] == ["web", "worker"]
    nobody = helping.help_plan([ASKED], services=[{"name": "nginx"}, {"name": "web"}], **options)
    assert (nobody["names"], nobody["restarts"]) == ([], False)


def test_the_share_of_a_host() -> None:
    assert (helping.pool_share("20", instances=3), helping.pool_share(20, instances=0)) == (60, 0)


@pytest.mark.parametrize(("total", "capacities", "limit", "room"), [
    (97, [97, "120"], "", None), (98, [97, 120], "", 97), (1, [], "", 0), (98, [97], "200", None), (1, [97], None, 0),
    (98, [], 97, 97), (0, [], "", None), (98, [200, None], "", 0),
])
def test_all_pools_must_fit(total: int, capacities: list[Any], limit: Any, room: int | None) -> None:
    found = helping.pool_request(20, total=total, capacities=capacities, limit=limit, write=[], key="POOL", file="/etc/shop.env")
    assert found["forbidden"] == ([] if room is None else [f"all pools together want {total} connections, the server gives {room}"])


def test_how_a_pool_is_raised() -> None:
    options: dict[str, Any] = {"total": 1, "capacities": [9], "limit": "", "file": "/etc/shop.env"}
    line = helping.pool_request("20", write=[], key="POOL", **options)
    assert (line["setting"], line["module"]) == ("POOL", "ansible.builtin.lineinfile")
    assert line["args"] == {"path": "/etc/shop.env", "regexp": "^POOL=", "line": "POOL=20"}
    own = helping.pool_request(20, write=["shopctl", "pool={size}"], key="", **options)
    assert (own["setting"], own["module"]) == ("shopctl pool={size}", "ansible.builtin.command")
    assert own["args"] == {"argv": ["shopctl", "pool=20"]}


@pytest.mark.parametrize(("text", "of_program", "of_file"), [
    ("20", 20, 20), (" 20\n", 20, 20), ("'20'", 20, 20), ('"20"', 20, 20), ('"20";', 20, None), ("none", None, None), ("2²", 2, None),
    ("5 of 10", None, None), ("-1", None, None), ("pool 20", 20, None),
    # An expression with a number in it has another size, and is lost when a number takes its place.
    ("${DB2_POOL}", 2, None), ("auto2", 2, None), ('"20', 20, None), ("20 # was 5", None, None),
])
def test_the_size_that_a_pool_has(text: str, of_program: int | None, of_file: int | None) -> None:
    said = {"rc": 0, "stdout": text}
    for reads, size in ((["shopctl"], of_program), ([], of_file)):
        assert helping.pool_before(said, reads=reads) == {"known": size is not None, "size": size}


@pytest.mark.parametrize(("text", "small"), [("19", True), ("20", False), ("auto40", True), ("", True)])
def test_a_pool_is_raised_unless_it_has_the_size(text: str, small: bool) -> None:
    assert helping.pool_is_small({"rc": 0, "stdout": text}, size="20", reads=[]) is small
    assert helping.pool_is_small({"rc": 1, "stdout": "99"}, size="20", reads=[])


@pytest.mark.parametrize(("now", "after", "status"), [
    ("POOL=20", "POOL=5", 0), ('POOL="20"', "POOL=5", 0), ("POOL=30", "POOL=30", 0), ("POOL=${DB20}", "POOL=${DB20}", 1),
    ("POOL=auto20", "POOL=auto20", 1),
])
def test_an_expression_in_a_file_that_a_command_writes_is_not_our_size(tmp_path: Path, now: str, after: str, status: int) -> None:
    file = tmp_path / "app.env"
    file.write_text(f"{now}\n")
    back = helping.pool_back(
        5, size=20, reads=helping.pool_reads([], key="POOL", file=str(file)), write=["sh", "-c", 'echo "POOL={size}" >"$0"', str(file)],
        key="POOL", file=str(file))
    assert (subprocess.run(back["argv"], check=False).returncode, file.read_text()) == (status, f"{after}\n")


@pytest.mark.parametrize(("directory", "files", "words", "argv"), [
    ("", [], ["ps"], ["docker", "compose", "ps"]),
    ("/opt", ["a.yml", "b.yml"], ["exec", "-T", "web"],
     ["docker", "compose", "--project-directory", "/opt", "--file=a.yml", "--file=b.yml", "exec", "-T", "web"]),
])
def test_words_of_compose(directory: str, files: list[str], words: list[str], argv: list[str]) -> None:
    assert compose_argv(["docker", "compose"], directory=directory, files=files, words=words) == argv


@pytest.mark.parametrize(("said", "of_file", "known", "size"), [
    ({"rc": 0, "stdout": "5"}, True, True, 5), ({"rc": 0, "stdout": ""}, True, True, None), ({"rc": 0, "stdout": ""}, False, False, None),
    ({"rc": 0, "stdout": "auto"}, True, False, None), ({"rc": 0, "stdout": "5\n7"}, True, False, None),
    ({"rc": 0, "stdout": "-1"}, True, False, None), ({"rc": 2, "stdout": ""}, True, False, None), ({}, True, False, None),
    ({"rc": 0, "stdout": "5", "failed": True}, False, False, None), ({"rc": 0, "stdout": "0"}, True, True, 0),
])
def test_what_the_size_was(said: dict[str, Any], of_file: bool, known: bool, size: int | None) -> None:
    reads = [] if of_file else ["shopctl"]
    assert helping.pool_before(said, reads=reads) == {"known": known, "size": size}
    assert helping.pool_is(said, size=size, reads=reads) is known and not helping.pool_is(said, size=99, reads=reads)
    assert helping.pool_is(said, size=size, reads=reads, known=False) is not known


@pytest.mark.parametrize(("text", "before", "after", "status"), [
    ("A=1\nPOOL.MAX=20\n", 5, "A=1\nPOOL.MAX=5\n", 0), ("POOL.MAX=20\nPOOLXMAX=20\n", 5, "POOL.MAX=5\nPOOLXMAX=20\n", 0),
    ("POOL.MAX=30\n", 5, "POOL.MAX=30\n", 0), ("POOL.MAX=200\n", 5, "POOL.MAX=200\n", 0), ("A=1\nPOOL.MAX=20\n", None, "A=1\n", 0),
    ("POOL.MAX=20\n", 0, "POOL.MAX=0\n", 0), ("A=1\n", 5, "A=1\n", 0), ("POOL.MAX=auto\n", 5, "POOL.MAX=auto\n", 0),
    ("POOL.MAX=20\nPOOL.MAX=30\n", 5, "POOL.MAX=20\nPOOL.MAX=30\n", 1),
])
def test_a_size_in_a_file_is_put_back_only_while_it_is_ours(
    tmp_path: Path, text: str, before: int | None, after: str, status: int,
) -> None:
    file = tmp_path / "the app's.env"
    file.write_text(text)
    file.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    back = helping.pool_back(before, size=20, reads=[], write=[], key="POOL.MAX", file=str(link))
    assert subprocess.run(back["argv"], check=False).returncode == status
    assert (file.read_text(), back["setting"], back["file"]) == (after, "POOL.MAX", str(link))
    assert link.is_symlink() and file.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_not_there_is_nobody_elses_size(tmp_path: Path) -> None:
    back = helping.pool_back(5, size=20, reads=[], write=[], key="POOL", file=str(tmp_path / "gone"))
    assert subprocess.run(back["argv"], check=False).returncode != 0


@pytest.mark.parametrize(("now", "after", "status"), [
    ("size 20;", "5", 0), ("size 020;", "5", 0), ("size 30;", "size 30;", 0), ("", "", 1), ("auto", "auto", 1), ("20 of 30", "20 of 30", 1),
    ("-20", "-20", 1),
])
def test_a_size_that_a_command_sets_is_put_back_only_while_it_is_ours(tmp_path: Path, now: str, after: str, status: int) -> None:
    file = tmp_path / "a pool"
    file.write_text(now)
    write = ["sh", "-c", "printf {size} >\"$0\"", str(file)]
    back = helping.pool_back(5, size=20, reads=["cat", str(file)], write=write, key="", file="")
    assert subprocess.run(back["argv"], check=False).returncode == status
    assert file.read_text() == after


@pytest.mark.parametrize("reads", [["cat", "/nonexistent/pool"], ["no-such-program-here"], ["false"]])
def test_who_cannot_read_the_size_fails_and_does_not_say_that_it_is_somebody_elses(tmp_path: Path, reads: list[str]) -> None:
    file = tmp_path / "a pool"
    file.write_text("20")
    back = helping.pool_back(5, size=20, reads=reads, write=["sh", "-c", "printf {size} >\"$0\"", str(file)], key="", file="")
    assert subprocess.run(back["argv"], check=False).returncode != 0
    assert file.read_text() == "20"


def test_how_the_size_is_read(tmp_path: Path) -> None:
    file = tmp_path / "app.env"
    file.write_text("POOLXMAX=20\nPOOL.MAX=5\n")
    argv = helping.pool_reads([], key="POOL.MAX", file=str(file))
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == "5\n"
    assert helping.pool_reads(["shopctl", "pool"], key="POOL.MAX", file="") == ["shopctl", "pool"]


def test_what_was_put_back() -> None:
    def result(touched: bool, **detail: Any) -> dict[str, Any]:
        return {"actions": [{"touched": touched, "detail": detail}]}

    assert not helping.pool_put_back([{"skipped": True}, result(False), result(True, only_unit="u")])
    assert helping.pool_put_back([result(False), result(True)])


def test_how_a_raised_pool_ends() -> None:
    back = helping.pool_back(5, size=20, reads=[], write=[], key="POOL", file="/etc/shop.env")
    given: dict[str, Any] = {"request": {"setting": "POOL", "forbidden": []}, "back": back, "before": {"known": True, "size": 5}}
    lasting = helping.pool_temporary(20, **given, expires="")
    assert (lasting["expires"], lasting["command"], lasting["forbidden"]) == ("", [], [])
    assert lasting["undo"] == {
        "verb": "restore_pool", "setting": "POOL", "file": "/etc/shop.env", "before": 5, "goes_back_to": "5", "set": 20,
    }
    assert helping.pool_temporary(20, **given, expires="2h")["command"] == back["argv"]


@pytest.mark.parametrize(("before", "write"), [
    ({"known": False, "size": None}, []), ({"known": True, "size": None}, ["shopctl", "{size}"]),
])
def test_a_number_that_was_not_there_is_put_back_by_nobody(before: dict[str, Any], write: list[str]) -> None:
    back = helping.pool_back(before["size"], size=20, reads=["shopctl"], write=write, key="POOL", file="/etc/shop.env")
    given: dict[str, Any] = {"request": {"setting": "POOL", "forbidden": []}, "back": back, "before": before}
    timed, lasting = helping.pool_temporary(20, **given, expires="2h"), helping.pool_temporary(20, **given, expires="")
    assert (timed["undo"], timed["command"], lasting["undo"], lasting["forbidden"]) == ({}, [], {}, [])
    assert len(timed["forbidden"]) == 1 and "nothing could put that back" in timed["forbidden"][0]
