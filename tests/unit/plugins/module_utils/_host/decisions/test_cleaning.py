# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files may go, and which never."""

from __future__ import annotations

import dataclasses
import stat
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._host.decisions.cleaning import (
    File,
    Rule,
    check_rule,
    choose,
    data_in,
    judge,
    sight,
)

from tests.support.decided import decided_again

RULE = Rule(directory="/var/log/shop", pattern="*.log*", min_age=3600)


def file(name: str = "a.log", **more: Any) -> File:
    given = {"device": 1, "inode": hash(name) % 10000, "mode": stat.S_IFREG | 0o644, "size": 4096, "allocated": 4096, "age": 7200.0, **more}
    return File(path=f"/var/log/shop/{name}", **given)


def test_a_directory_with_the_name_of_a_secret_can_be_decided_again() -> None:
    rule = Rule(directory="/srv/secrets", pattern="*.log*", min_age=3600)
    here = dataclasses.replace(file(), path="/srv/secrets/a.log")
    seen = sight([rule], [(0, here)], protected=[], devices={"/srv/secrets": 1}, limits=(), resource="host:a")
    assert list((decided_again(seen.basis, approved=None).actions or {}).values()) == ["planned"]


def test_a_slash_at_the_end_is_nothing() -> None:
    assert check_rule(Rule(directory="/var/log/", pattern="*.log", min_age=0)).directory == "/var/log"


@pytest.mark.parametrize("directory", [
    "/", "/var", "/var/lib", "/home", "/etc", "/etc/nginx", "/usr/share/doc", "/proc/1", "/var/lib/dpkg/info", "relative",
    "/var/log/../lib/x", "/root", "/opt", "/var/log/journal", "/boot/grub", "//etc",
])
def test_directories_that_no_rule_may_name(directory: str) -> None:
    with pytest.raises(BadInput, match=directory.rsplit("/", maxsplit=1)[-1] or "/"):
        check_rule(Rule(directory=directory, pattern="*.log", min_age=0))


@pytest.mark.parametrize("pattern", ["", "*", "**", "?", "*.*", "sub/*.log", "."])
def test_patterns_that_say_nothing(pattern: str) -> None:
    with pytest.raises(BadInput, match="pattern"):
        check_rule(Rule(directory="/var/log/shop", pattern=pattern, min_age=0))


@pytest.mark.parametrize(("seen", "rule", "why"), [
    (file(), RULE, ""),
    (file("a.txt"), RULE, "no match"),
    (file(age=60.0), RULE, "too young"),
    (file(mode=stat.S_IFLNK | 0o777), RULE, "symbolic link"),
    (file(mode=stat.S_IFIFO | 0o600), RULE, "no regular file"),
    (file(device=2), RULE, "another file system"),
    (file(links=2), RULE, "other names lead to it: removing one frees nothing"),
    (file(writers=1), RULE, "open for writing"),
    (file(readers=1), RULE, "open: removing it frees nothing until it is closed"),
    (file(writers=1), Rule("/var/log/shop", "*.log*", 3600, operation="truncate"), ""),
    (file(size=0), Rule("/var/log/shop", "*.log*", 3600, operation="truncate"), "empty already"),
    (file("keep/a.log"), Rule("/var/log/shop", "*.log*", 3600, recursive=True), "protected path"),
])
def test_a_file_is_judged(seen: File, rule: Rule, why: str) -> None:
    assert judge(seen, rule, protected=["/var/log/shop/keep"], one_file_system=1) == why


def test_a_neighbour_of_a_protected_path_is_not_protected() -> None:
    assert judge(file("keeper.log"), RULE, protected=["/var/log/shop/keep"]) == ""


@pytest.mark.parametrize(("path", "entries", "whose"), [
    ("/data/pg", ["PG_VERSION", "base"], "PostgreSQL data"), ("/data/pg_wal", ["000000010000000000000001"], "PostgreSQL data"),
    ("/var/lib/redis", ["dump.rdb"], "Redis data"), ("/var/log/shop", ["a.log"], ""),
])
def test_a_servers_data_is_known_by_what_is_in_it(path: str, entries: list[str], whose: str) -> None:
    assert data_in(path, entries) == whose


def test_the_newest_are_kept_by_directory_and_the_biggest_go_first() -> None:
    rule = Rule("/var/log/shop", "*.log*", 3600, keep=1)
    found = [(file(name, age=age, allocated=size, inode=number), rule) for number, (name, age, size) in enumerate([
        ("a.log.1", 4000.0, 10), ("a.log.2", 5000.0, 20), ("a.log.3", 6000.0, 30), ("sub/b.log.1", 9000.0, 99),
    ])]
    taken, spared = choose(found)
    assert [one.file.path.rpartition("/")[2] for one in taken] == ["a.log.3", "a.log.2"]
    assert sorted(item.target["path"] for item in spared) == ["/var/log/shop/a.log.1", "/var/log/shop/sub/b.log.1"]
    young = (file("a.log", age=1.0, inode=77), rule)
    taken, _spared = choose([young, *found])
    assert len(taken) == 3, "the young one is among the newest that are kept"


def test_a_file_that_two_rules_find_belongs_to_the_first() -> None:
    first, second = RULE, Rule("/var/log/shop", "a.*", 0, operation="truncate")
    taken, _spared = choose([(file(), first), (file(), second)])
    assert [one.rule for one in taken] == [first]


def test_an_action_is_the_file_and_not_its_size_or_age() -> None:
    one = choose([(file(inode=5), RULE)])[0][0]
    grown = choose([(file(inode=5, size=9999, allocated=12288, age=9000.0), RULE)])[0][0]
    other = choose([(file(inode=6), RULE)])[0][0]
    ids = [candidate.action(resource="host:x").id for candidate in (one, grown, other)]
    assert ids[0] == ids[1] != ids[2]
