# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The five answers of `incident init`: what each may be, and what it says. Nothing is connected to here."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import Stop

#: What says that there is none, and the machine that the command itself runs on.
NONE, HERE = "none", "here"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]*\Z")
_DIRECTORY = re.compile(r"/[^\0\n]*\Z")


@dataclasses.dataclass(frozen=True)
class Question:
    """One of the five.

    Attributes:
        key: its key in a file of answers.
        asks: the question.
        forms: what an answer may look like, each with what it means.
    """

    key: str
    asks: str
    forms: Mapping[str, str]


QUESTIONS = (
    Question("reach", "Where does PostgreSQL run, and how is it reached?", {
        "controller": "over the network, straight from this machine",
        "here": "it runs on this machine",
        "host NAME": "on this host, over SSH",
        "container NAME on HOST": "in a container of Docker on this host",
        "kubernetes KIND/NAME in NAMESPACE": "through a forwarded port",
        NONE: "there is no PostgreSQL",
    }),
    Question("database", "Which database, and which login? As a URL, without the password", {
        "postgresql://oncall@db1.example.org:5432/shop": "by an address",
        "postgresql://postgres@/shop?host=/run/postgresql": "by the directory of its socket",
    }),
    Question("application", "What runs the application, and under which name?", {
        "systemd UNIT on HOST": "a unit",
        "compose SERVICE in DIRECTORY on HOST": "a service of Docker Compose",
        "kubernetes KIND/NAME in NAMESPACE": "a deployment, seen from this machine",
        "pm2 APP of USER on HOST": "an app of pm2",
        NONE: "no application",
    }),
    Question("health", "At which URL does the application say that it is well? It is asked from the application's host", {
        "http://127.0.0.1:8080/health": "a URL that answers with status 200",
        NONE: "it has none",
    }),
    Question("probe", "Which login may run which query, to prove that the database serves the application?", {
        "oncall_probe SELECT 1 FROM orders LIMIT 1": "a login with no other rights, and a query that only reads",
        NONE: "only log in and run SELECT 1",
    }),
)


@dataclasses.dataclass(frozen=True)
class Reach:
    """The way to the database.

    Attributes:
        via: as postgres_via has it; empty where there is no database.
        host: the managed host, HERE for this machine; empty where none is needed.
        name: of the container, or of the target in Kubernetes.
        namespace: of Kubernetes.
    """

    via: str = ""
    host: str = ""
    name: str = ""
    namespace: str = ""


@dataclasses.dataclass(frozen=True)
class Database:
    """The database and who logs in."""

    user: str
    name: str
    host: str = ""
    port: int = 5432
    socket: str = ""


@dataclasses.dataclass(frozen=True)
class Application:
    """What runs the application.

    Attributes:
        runtime: as an entry of `services` has it; empty where there is none.
        identity: the name that the runtime knows it by.
        host: the managed host, HERE for this machine.
        where: what the runtime needs beside the name.
    """

    runtime: str = ""
    identity: str = ""
    host: str = ""
    where: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Probe:
    """Who asks what; both empty where nothing is asked for."""

    user: str = ""
    query: str = ""


def read_reach(text: str) -> Reach:
    """The first answer.

    Raises:
        Stop: it has none of the forms.
    """
    words = text.split()
    if words == ["controller"]:
        return Reach("controller")
    if words == [NONE]:
        return Reach()
    if words == [HERE]:
        return Reach("host", host=HERE)
    if words[:1] == ["host"] and len(words) == 2:
        return Reach("host", host=_host(words[1]))
    if words[:1] == ["container"] and len(words) == 4 and words[2] == "on":
        return Reach("container", host=_host(words[3]), name=_named("container", words[1]))
    if words[:1] == ["kubernetes"] and len(words) == 4 and words[2] == "in":
        return Reach("kubernetes", host=HERE, name=_target(words[1]), namespace=_named("namespace", words[3]))
    raise _no_form(0, text)


def read_database(text: str) -> Database:
    """The second answer.

    Raises:
        Stop: it is not such a URL, or it has a password.
    """
    try:
        url = urlsplit(text.strip())
        port = url.port or 5432
    except ValueError:
        raise _no_form(1, text) from None
    asked = parse_qs(url.query)
    if url.password or "password" in asked:
        raise Stop(
            "The URL has a password in it, which would be in the inventory.",
            hint="Leave it out, and put it into ONCALL_DB_PASSWORD instead.",
        )
    name, user = unquote(url.path.strip("/")), unquote(url.username or "")
    socket = asked.pop("host", [""])[0] if not url.hostname else ""
    port = _port(asked.pop("port", [str(port)])[0])
    if url.scheme not in ("postgresql", "postgres") or not (name and user) or not (url.hostname or _DIRECTORY.match(socket)):
        raise _no_form(1, text)
    if asked:
        raise Stop(f"The URL has {', '.join(sorted(asked))}, which is not taken over.",
                   hint="Leave it out; set it in the inventory afterwards, as postgres_connect_params.")
    return Database(user, name, host=url.hostname or "", port=port, socket=socket)


def read_application(text: str) -> Application:
    """The third answer.

    Raises:
        Stop: it has none of the forms.
    """
    words = text.split()
    runtime = words[0] if words else ""
    if words == [NONE]:
        return Application()
    if runtime == "systemd" and len(words) == 4 and words[2] == "on":
        return Application(runtime, _named("unit", words[1]), _host(words[3]))
    if runtime == "compose" and len(words) == 6 and words[2::2] == ["in", "on"] and _DIRECTORY.match(words[3]):
        return Application(runtime, _named("service", words[1]), _host(words[5]), {"directory": words[3]})
    if runtime == "kubernetes" and len(words) == 4 and words[2] == "in":
        return Application(runtime, _target(words[1]), HERE, {"namespace": _named("namespace", words[3])})
    if runtime == "pm2" and len(words) == 6 and words[2::2] == ["of", "on"]:
        return Application(runtime, _named("app", words[1]), _host(words[5]), {"user": _named("user", words[3])})
    raise _no_form(2, text)


def read_health(text: str) -> str:
    """The fourth answer; empty where there is no such URL.

    Raises:
        Stop: it is not a URL of HTTP, or it has a login in it.
    """
    if text.strip() == NONE:
        return ""
    try:
        url = urlsplit(text.strip())
        url.port  # noqa: B018  # it raises where there is none
    except ValueError:
        raise _no_form(3, text) from None
    if url.scheme not in ("http", "https") or not url.hostname or re.search(r"\s", text.strip()):
        raise _no_form(3, text)
    if url.username or url.password:
        raise Stop("The URL has a login in it, which would be in the inventory.", hint="Name a URL that needs none.")
    return text.strip()


def read_probe(text: str) -> Probe:
    """The fifth answer.

    Raises:
        Stop: it is not a login and a query.
    """
    if text.strip() == NONE:
        return Probe()
    user, _, query = text.strip().partition(" ")
    if not _NAME.match(user) or not re.match(r"(?i)\s*(select|with|table|values)\b", query):
        raise _no_form(4, text)
    return Probe(user, query.strip().rstrip(";"))


def _named(what: str, name: str) -> str:
    if not _NAME.match(name):
        raise Stop(f"{name} is not the name of a {what}.", hint="Letters, digits, dots and dashes.")
    return name


def _host(name: str) -> str:
    return name if name == HERE else _named("host", name)


def _target(name: str) -> str:
    kind, slash, rest = name.partition("/")
    if not slash:
        raise Stop(f"{name} is not KIND/NAME.", hint="For example deployment/backend, or service/postgres.")
    return f"{_named('kind', kind)}/{_named('target', rest)}"


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Stop(f"{text} is not a port.", hint="Give a number from 1 to 65535.")
    return int(text)


def _no_form(number: int, text: str) -> Stop:
    question = QUESTIONS[number]
    said = text.strip() or "an empty answer"
    return Stop(f"{question.key}: {said} is not understood.", hint=f"It is one of: {'; '.join(question.forms)}")
