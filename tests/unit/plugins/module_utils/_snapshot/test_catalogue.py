# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._snapshot import catalogue

#: Programs that only read whatever their arguments are, and the arguments that make the others read only.
READ_ONLY = {
    "ss",
    "netstat",
    "cat",
    "ps",
    "who",
    "lsof",
    "ls",
    "df",
    "last",
    "lastb",
    "uname",
    "tail",
    "iptables-save",
    "ip6tables-save",
    "dmesg",
}
READING = {
    "ip": {"neighbour", "route", "address"}, "nft": {"list"}, "docker": {"ps"}, "podman": {"ps"}, "crictl": {"ps"},
    "systemctl": {"list-units", "list-timers", "show"}, "journalctl": {"--no-pager"}, "find": {"-printf"}, "rpm": {"-qa"},
    "redis-cli": {"INFO", "CLIENT", "SLOWLOG", "LATENCY", "MEMORY"},
}


def everything() -> list[catalogue.Item]:
    return [*catalogue.catalogue(units=["a.service"]), *catalogue.redis([{"port": 6380, "password": "pw", "user": "u"}])]


def test_every_command_only_reads() -> None:
    for item in everything():
        for argv in item.commands:
            assert argv[0] in READ_ONLY or READING[argv[0]] & set(argv), argv
            assert not {"-exec", "-delete", "-F", "flush", "--vacuum-size", "-C", "--clear", "-D"} & set(argv) or argv[0] in (
                "last",
                "lastb",
            ), argv


def test_what_is_gone_soonest_comes_first() -> None:
    folders = [item.folder for item in catalogue.catalogue()]
    assert folders == sorted(folders) and folders[0].startswith("10-net") and folders[-1].startswith("70-")
    together = catalogue.in_order(everything())
    assert [item.folder for item in together] == sorted(item.folder for item in together)


def test_names_are_unique_and_safe() -> None:
    names = [item.name for item in everything()]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)


def test_the_journal_is_of_the_units_since_the_incident_began() -> None:
    (journal,) = [item for item in catalogue.catalogue(units=["a.service", "b@1.service"], since=1000.9) if item.name == "journal"]
    assert {"--since=@1000", "--unit=a.service", "--unit=b@1.service"} <= set(journal.commands[0])
    (without,) = [item for item in catalogue.catalogue() if item.name == "journal"]
    assert {"--since=-1h", "--priority=warning"} <= set(without.commands[0])


@pytest.mark.parametrize("unit", ["", "-x", "--vacuum-size=1", "a b", "a;b", "../x", "a\nb"])
def test_a_unit_cannot_be_an_option(unit: str) -> None:
    with pytest.raises(BadInput, match="units"):
        catalogue.catalogue(units=[unit])


def test_a_password_is_not_in_a_command() -> None:
    for item in catalogue.redis([{"password": "hunter22"}]):
        assert "hunter22" not in " ".join(item.commands[0]) and ("REDISCLI_AUTH", "hunter22") in item.environment
        assert "hunter22" not in repr(item)


def test_several_redis_servers_have_names_of_their_own() -> None:
    names = [item.name for item in catalogue.redis([{"port": 1}, {"port": 2}])]
    assert len(set(names)) == 10


def test_choosing() -> None:
    items = catalogue.catalogue()
    assert [item.name for item in catalogue.chosen(items, only=["memory", "sockets"])] == ["sockets", "memory"]
    assert "memory" not in [item.name for item in catalogue.chosen(items, only=None, skip=["memory"])]
    assert catalogue.chosen(items, only=[]) == []
    assert "unit_state" not in [item.name for item in catalogue.chosen(items, only=None)]
    with pytest.raises(BadInput, match="memry"):
        catalogue.chosen(items, only=["memry"])


@pytest.mark.parametrize(("host", "said"), [
    ("", "127.0.0.1"), ("[2001:db8::7]", "2001:db8::7"), ("cache1.example.org.", "cache1.example.org"), ("redis://cache1:6380/0", None),
])
def test_a_server_of_redis_is_a_host(host: str, said: str | None) -> None:
    if said is None:
        with pytest.raises(BadInput) as caught:
            catalogue.redis([{"host": host}])
        assert "redis[0].host: a URL is not a host" in caught.value.message
        assert caught.value.hint is not None and "redis[0].host: cache1 and redis[0].port: 6380" in caught.value.hint
    else:
        (argv,) = catalogue.redis([{"host": host}])[0].commands
        assert argv[2] == said
