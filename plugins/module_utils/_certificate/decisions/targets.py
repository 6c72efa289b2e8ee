# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cert_expiry is to look at: endpoints, files, contents, kubeconfigs and pairs as they are stated.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ..._core.errors import BadInput
from ..._core.hosts import plain, read_host
from .names import as_address, to_ascii
from .time import BY_RENEWAL, THRESHOLD_OPTIONS, Thresholds, thresholds_from

#: Scheme of an endpoint: (STARTTLS protocol or "", default port).
SCHEMES: t.Mapping[str, tuple[str, int]] = {
    "tls": ("", 443), "ssl": ("", 443), "https": ("", 443), "smtps": ("", 465), "submissions": ("", 465), "imaps": ("", 993),
    "pop3s": ("", 995), "ftps": ("", 990), "ldaps": ("", 636), "rediss": ("", 6379), "xmpps": ("", 5223), "amqps": ("", 5671),
    "mqtts": ("", 8883),
    "smtp": ("smtp", 25), "submission": ("smtp", 587), "lmtp": ("lmtp", 24), "imap": ("imap", 143), "pop3": ("pop3", 110),
    "ftp": ("ftp", 21), "ldap": ("ldap", 389), "postgres": ("postgres", 5432), "postgresql": ("postgres", 5432), "mysql": ("mysql", 3306),
    "xmpp": ("xmpp", 5222), "xmpp-server": ("xmpp-server", 5269), "sieve": ("sieve", 4190),
}
#: What the option starttls takes.
STARTTLS = ("smtp", "lmtp", "imap", "pop3", "ftp", "ldap", "postgres", "mysql", "xmpp", "xmpp-server", "sieve")
RESOLVE = ("first", "all")
FORMATS = ("auto", "pem", "der", "pkcs12", "jks")
_HTTP_PORTS = (443, 8443)

_JUDGED = ("renewal", "names", "ca_path", "allow_self_signed", "acme_directory", *THRESHOLD_OPTIONS)
ENDPOINT_OPTIONS = (
    "host", "port", "server_name", "sni", "starttls", "address", "resolve", "proxy", "http", "label", "expect_serial",
    "expect_fingerprint", *_JUDGED,
)
FILE_OPTIONS = ("path", "format", "exclude", *_JUDGED)
CONTENT_OPTIONS = ("content", "label", *_JUDGED)
KUBECONFIG_OPTIONS = ("path", "exclude", *_JUDGED)
PAIR_OPTIONS = ("endpoint", "file", "reload")


@dataclasses.dataclass(frozen=True)
class Terms:
    """By what a target is judged.

    Attributes:
        renewal: who renews it.
        names: that the certificate must be for; empty means the endpoint's own, and none for files.
        ca_path: trusted instead of the system's; "" is the system's.
        allow_self_signed: a self-signed certificate is as it should be.
        expect_serial, expect_fingerprint: the certificate that must be there, in the form of Cert; "" means any.
        acme_directory: the ACME server that is asked when to renew; "" means the one known for the issuer.
    """

    renewal: str = "manual"
    thresholds: Thresholds = BY_RENEWAL["manual"]
    names: tuple[str, ...] = ()
    ca_path: str = ""
    allow_self_signed: bool = False
    expect_serial: str = ""
    expect_fingerprint: str = ""
    acme_directory: str = ""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A server. `server_name` is what is asked for (SNI); "" for an address. `http`: it may be asked for its clock."""

    label: str
    host: str
    port: int
    terms: Terms = Terms()
    server_name: str = ""
    starttls: str = ""
    address: str = ""
    resolve: str = "first"
    proxy: tuple[str, int] = ("", 0)
    http: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the certificate must be for."""
        return self.terms.names or (self.server_name or self.host,)


@dataclasses.dataclass(frozen=True)
class Place:
    """Files of one kind: a path that may be a pattern."""

    path: str
    terms: Terms = Terms()
    format: str = "auto"
    exclude: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Content:
    """Certificates given as text."""

    label: str
    text: str
    terms: Terms = Terms()


@dataclasses.dataclass(frozen=True)
class Pair:
    """A server and the file that it should serve. `reload` is what makes it read the file again, for people and playbooks."""

    endpoint: Endpoint
    file: Place
    reload: str = ""


@dataclasses.dataclass(frozen=True)
class Targets:
    """Everything that is to be looked at."""

    endpoints: tuple[Endpoint, ...] = ()
    files: tuple[Place, ...] = ()
    contents: tuple[Content, ...] = ()
    kubeconfigs: tuple[Place, ...] = ()
    pairs: tuple[Pair, ...] = ()


def targets_from(params: t.Mapping[str, t.Any]) -> Targets:
    """The targets that a module's arguments state.

    Raises:
        BadInput: names the argument, which of its entries, and what is wrong; also when there is nothing to look at.
    """
    pairs = [_pair(item, params, where=where) for where, item in _entries(params, "pairs")]
    endpoints = [parse_endpoint(item, params, where=where) for where, item in _entries(params, "endpoints")]
    named = _told_apart([*endpoints, *(pair.endpoint for pair in pairs)])
    found = Targets(
        endpoints=named[:len(endpoints)],
        files=tuple(_place(item, params, where=where, options=FILE_OPTIONS) for where, item in _entries(params, "files")),
        contents=tuple(_content(item, params, where=where) for where, item in _entries(params, "contents")),
        kubeconfigs=tuple(_place(item, params, where=where, options=KUBECONFIG_OPTIONS) for where, item in _entries(params, "kubeconfigs")),
        pairs=tuple(dataclasses.replace(pair, endpoint=one) for pair, one in zip(pairs, named[len(endpoints):])),
    )
    if not any(dataclasses.astuple(found)):
        raise BadInput("There is nothing to look at.", hint="Give endpoints, files, contents, kubeconfigs or pairs.", argument="endpoints")
    return found


def _told_apart(endpoints: t.Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """What is asked for in two ways at one address is two targets: what they differ in is in their labels then."""
    asked: dict[str, set[tuple[str, ...]]] = {}
    for one in endpoints:
        asked.setdefault(one.label, set()).add(_way(one))
    return tuple(_labelled(one, asked[one.label]) for one in endpoints)


def _way(one: Endpoint) -> tuple[str, ...]:
    """How an endpoint is asked: protocol, name, address and proxy."""
    proxy = f"proxy {_label(*one.proxy)}" if one.proxy[0] else "no proxy"
    return (one.starttls or "TLS", one.server_name or "no name", one.address or one.host, proxy)


def _labelled(one: Endpoint, ways: t.Collection[tuple[str, ...]]) -> Endpoint:
    more = [said for said, column in zip(_way(one), zip(*ways)) if len(set(column)) > 1]
    return dataclasses.replace(one, label=f"{one.label} ({', '.join(more)})") if more else one


def parse_endpoint(item: t.Any, params: t.Mapping[str, t.Any], *, where: str) -> Endpoint:
    """An endpoint from `host`, `host:port`, `[2001:db8::1]:443`, `smtp://mx.example.org` or a dictionary of options.

    Raises:
        BadInput: see targets_from().
    """
    stated = _options(item, ENDPOINT_OPTIONS, where=where, plain="host")
    scheme, host, port = _split(str(stated.get("host") or ""), where=where)
    implied, usual = SCHEMES.get(scheme, ("", 443))
    starttls = str(stated.get("starttls") or implied)
    if starttls and starttls not in STARTTLS:
        raise BadInput(f"{where}.starttls: {starttls!r} is not known.", hint=f"One of {', '.join(STARTTLS)}.", argument="endpoints")
    if starttls and not scheme:
        usual = SCHEMES[starttls][1]
    address = plain(stated.get("address") or "")
    if address and as_address(address) is None:
        raise BadInput(
            f"{where}.address: {address!r} is not an IP address.", hint="A name goes into host, a port into port.", argument="endpoints",
        )
    resolve = str(stated.get("resolve") or "first")
    if resolve not in RESOLVE:
        raise BadInput(f"{where}.resolve: {resolve!r} is not known.", hint="Use first or all.", argument="endpoints")
    port = _port(stated.get("port") or port or usual, where=where)
    name = read_host(stated.get("server_name") or stated.get("sni") or ("" if as_address(host) else host), name=f"{where}.server_name")
    http = _flag(stated.get("http"), default=not starttls and (scheme == "https" or port in _HTTP_PORTS), where=f"{where}.http")
    return Endpoint(
        label=str(stated.get("label") or _label(host, port)), host=to_ascii(host), port=port, starttls=starttls,
        server_name="" if as_address(name) else to_ascii(name), address=address.strip("[]"), resolve=resolve,
        proxy=parse_proxy(stated.get("proxy") if stated.get("proxy") is not None else params.get("proxy"), where=where),
        http=http and not starttls,
        terms=dataclasses.replace(
            _terms(stated, params, where=where),
            expect_serial=as_serial(stated.get("expect_serial"), where=where),
            expect_fingerprint=as_fingerprint(stated.get("expect_fingerprint"), where=where),
        ),
    )


def parse_proxy(value: t.Any, *, where: str) -> tuple[str, int]:
    """Host and port of an HTTP proxy from `http://host:port` or `host:port`; ("", 0) for none.

    Raises:
        BadInput: it is of another kind, or carries a password.
    """
    text = str(value or "").strip().rstrip("/")
    if not text:
        return "", 0
    if "@" in text:
        raise BadInput(f"{where}.proxy carries a login.", hint="Give proxy_username and proxy_password instead.", argument="proxy")
    scheme, rest = text.split("://", 1) if "://" in text else ("http", text)
    if scheme.lower() != "http":
        raise BadInput(f"{where}.proxy: {scheme} proxies are not supported.", hint="Give http://host:port.", argument="proxy")
    _none, host, port = _split(rest, where=f"{where}.proxy")
    return host, _port(port or 3128, where=f"{where}.proxy")


def as_serial(value: t.Any, *, where: str = "") -> str:
    """A serial number in the form of Cert.serial, from hex with or without colons and leading zeros; "" for none.

    Raises:
        BadInput: it is not hexadecimal text. A number is refused: YAML makes one of digits and nobody can tell its base.
    """
    if value is None or value == "":
        return ""
    text = str(value).strip().upper().replace(":", "").replace(" ", "")
    text = text[2:] if text.startswith("0X") else text
    if isinstance(value, (int, float)) or not re.fullmatch(r"[0-9A-F]{1,64}", text):
        raise BadInput(
            f"{where}.expect_serial: {value!r} is not a serial number.", hint="Give it as text, in hex, as openssl prints it.",
            argument="expect_serial",
        )
    digits = text.lstrip("0") or "0"
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def as_fingerprint(value: t.Any, *, where: str = "") -> str:
    """A SHA-256 fingerprint in the form of Cert.fingerprint; "" for none.

    Raises:
        BadInput: it is none.
    """
    if value is None or value == "":
        return ""
    text = str(value).strip().lower().replace(":", "")
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise BadInput(
            f"{where}.expect_fingerprint: {value!r} is not a SHA-256 fingerprint.", hint="64 hex digits, colons allowed.",
            argument="expect_fingerprint",
        )
    return text


def _entries(params: t.Mapping[str, t.Any], option: str) -> t.Iterator[tuple[str, t.Any]]:
    for index, item in enumerate(params.get(option) or ()):
        yield f"{option}[{index}]", item


def _options(item: t.Any, known: t.Sequence[str], *, where: str, plain: str) -> dict[str, t.Any]:
    """An entry's options; text alone is the one called `plain`."""
    if isinstance(item, str):
        item = {plain: item}
    if not isinstance(item, t.Mapping):
        raise BadInput(f"{where} is {type(item).__name__}, not text or a dictionary.", argument=_of(where))
    unknown = sorted(set(map(str, item)) - set(known))
    if unknown:
        raise BadInput(f"{where}: unknown {', '.join(unknown)}.", hint=f"Known are {', '.join(known)}.", argument=_of(where))
    if not item.get(plain):
        raise BadInput(f"{where}.{plain} is missing.", argument=_of(where))
    return {str(key): value for key, value in item.items() if value is not None}


def _terms(stated: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any], *, where: str) -> Terms:
    renewal = str(stated.get("renewal") or params.get("renewal") or "manual")
    if renewal not in BY_RENEWAL:
        raise BadInput(f"{where}.renewal: {renewal!r} is not known.", hint=f"One of {', '.join(BY_RENEWAL)}.", argument="renewal")
    names = stated.get("names") or ()
    names = [names] if isinstance(names, str) else names
    overall = thresholds_from(params, base=BY_RENEWAL[renewal])
    return Terms(
        renewal=renewal, thresholds=thresholds_from(stated, base=overall, where=f"{where}."),
        names=tuple(plain(name) for name in names), ca_path=str(stated.get("ca_path") or params.get("ca_path") or ""),
        allow_self_signed=_flag(
            stated.get("allow_self_signed"), default=bool(params.get("allow_self_signed")), where=f"{where}.allow_self_signed",
        ),
        acme_directory=str(stated.get("acme_directory") or params.get("acme_directory") or ""),
    )


def _place(item: t.Any, params: t.Mapping[str, t.Any], *, where: str, options: t.Sequence[str]) -> Place:
    stated = _options(item, options, where=where, plain="path")
    form = str(stated.get("format") or "auto")
    if form not in FORMATS:
        raise BadInput(f"{where}.format: {form!r} is not known.", hint=f"One of {', '.join(FORMATS)}.", argument="files")
    exclude = stated.get("exclude") or ()
    return Place(
        path=str(stated["path"]), terms=_terms(stated, params, where=where), format=form,
        exclude=(exclude,) if isinstance(exclude, str) else tuple(str(one) for one in exclude),
    )


def _content(item: t.Any, params: t.Mapping[str, t.Any], *, where: str) -> Content:
    stated = _options(item, CONTENT_OPTIONS, where=where, plain="content")
    text = str(stated["content"])
    if "PRIVATE KEY" in text:
        raise BadInput(f"{where} holds a private key.", hint="Give the certificates only: keys have no place here.", argument="contents")
    return Content(label=str(stated.get("label") or where), text=text, terms=_terms(stated, params, where=where))


def _pair(item: t.Any, params: t.Mapping[str, t.Any], *, where: str) -> Pair:
    stated = _options(item, PAIR_OPTIONS, where=where, plain="endpoint")
    if not stated.get("file"):
        raise BadInput(f"{where}.file is missing.", hint="The file that the server should serve.", argument="pairs")
    place = _place(stated["file"], params, where=f"{where}.file", options=FILE_OPTIONS)
    if any(mark in place.path for mark in "*?["):
        raise BadInput(f"{where}.file: {place.path!r} is a pattern.", hint="A pair has one file.", argument="pairs")
    return Pair(
        endpoint=parse_endpoint(stated["endpoint"], params, where=f"{where}.endpoint"), file=place, reload=str(stated.get("reload") or ""),
    )


def _split(text: str, *, where: str) -> tuple[str, str, int]:
    """Scheme, host and port of an endpoint in one text; "" and 0 where they are not stated."""
    text = plain(text)
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "", text
    scheme = scheme.lower()
    if scheme and scheme not in SCHEMES:
        raise BadInput(f"{where}: {scheme}:// is not known.", hint=f"One of {', '.join(SCHEMES)}.", argument=_of(where))
    rest = re.split(r"[/?#]", rest)[0]
    if "@" in rest:
        raise BadInput(
            f"{where}: a login has no place in an endpoint.", argument=_of(where),
            hint="Write host:port, [2001:db8::1]:443 or proto://host.",
        )
    if as_address(rest) is not None:
        return scheme, rest.strip("[]"), 0
    host, mark, port = rest.rpartition(":")
    if not mark:
        host, port = rest, ""
    host = host.strip("[]")
    host = host[:-1] if host.endswith(".") else host
    if not host or re.search(r"[\s@/\x00-\x1f]", host) or (":" in host and as_address(host) is None):
        raise BadInput(
            f"{where}: {text!r} is not an endpoint.", hint="Write host:port, [2001:db8::1]:443 or proto://host.", argument=_of(where),
        )
    return scheme, host, _port(port, where=where) if port else 0


def _port(value: t.Any, *, where: str) -> int:
    text = str(value)
    if not re.fullmatch(r"\d{1,5}", text) or not 0 < int(text) < 65536:
        raise BadInput(f"{where}: {value!r} is not a port.", hint="Give a number from 1 to 65535.", argument=_of(where))
    return int(text)


def _flag(value: t.Any, *, default: bool, where: str) -> bool:
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in ("yes", "no", "true", "false", "on", "off", "1", "0"):
        raise BadInput(f"{where}: {value!r} is neither true nor false.", argument=where)
    return text in ("yes", "true", "on", "1")


def _of(where: str) -> str:
    """The argument that an entry belongs to."""
    return where.partition("[")[0]


def _label(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
