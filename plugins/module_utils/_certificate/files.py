# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates in files: PEM bundles in full, DER, PKCS#12, Java key stores, kubeconfigs.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import glob
import json
import os
import re
import typing as t

from .bundle import Bundle, Unreadable, read_bundle
from .decisions.model import CONTENT, FILE, KUBECONFIG, UNREADABLE, Cert, Seen, Trouble
from .decisions.targets import Content, Place
from .parse import BadCertificate, parse

_MAX_BYTES = 32 * 1024 * 1024
_MAX_FILES = 20000
_PFX = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....|\x80)\x02\x01\x03", re.DOTALL)
_PASSPHRASE_HINT = "Give it in passphrases, by the file's path."


def expand(place: Place) -> list[str]:
    """The files that a path or a pattern (`*`, `**`, `?`, `[...]`) names, in their order.

    A path without a match is returned as it is: that nothing is there will be told.
    """
    pattern = os.path.expanduser(place.path)
    if not glob.has_magic(pattern):
        return [pattern]
    found = sorted(path for path in glob.glob(pattern, recursive=True) if not os.path.isdir(path))
    return [path for path in found if not any(fnmatch.fnmatch(path, pattern) for pattern in place.exclude)][:_MAX_FILES]


def no_match(place: Place, kind: str) -> Seen:
    """A pattern that names no file."""
    return Seen(target=place.path, kind=kind, address=place.path, trouble=Trouble(
        UNREADABLE, "no file matches", blind=True, hint="See the pattern, and whether this user may read the directories.",
    ))


def look_at_file(path: str, place: Place, *, passphrase: str = "") -> list[Seen]:
    """Every certificate of a file that issued no other one in it, with its chain. Never raises for what is in it."""
    try:
        return group(path, read(path, form=place.format, passphrase=passphrase), kind=FILE, address=path)
    except Unreadable as exc:
        return [_unreadable(path, FILE, path, exc)]


def look_at_content(content: Content) -> list[Seen]:
    """The same for certificates given as text: PEM, or DER in Base64."""
    try:
        data = content.text.encode("utf-8", errors="surrogateescape")
        if b"-----BEGIN" not in data:
            data = _base64(data)
        return group(content.label, read_bundle(data), kind=CONTENT, address="")
    except Unreadable as exc:
        return [_unreadable(content.label, CONTENT, "", exc)]


def look_at_kubeconfig(path: str) -> list[Seen]:
    """The certificates that a kubeconfig holds or names: of its users and of its clusters' CAs."""
    try:
        found = kubeconfig_entries(_read_bytes(path))
        if not found:
            raise Unreadable("it holds and names no certificate", blind=True)
    except Unreadable as exc:
        return [_unreadable(path, KUBECONFIG, path, exc)]
    seen = []
    for name, data, reference in found:
        target = f"{path} ({name})"
        try:
            if reference:
                reference = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(reference))
                bundle = read(reference, form="auto", passphrase="")
            else:
                bundle = read_bundle(_base64(data))
            seen.extend(group(target, bundle, kind=KUBECONFIG, address=reference or path))
        except Unreadable as exc:
            seen.append(_unreadable(target, KUBECONFIG, reference or path, exc))
    return seen


def kubeconfig_entries(data: bytes) -> list[tuple[str, bytes, str]]:
    """What a kubeconfig says of certificates: (whose, Base64 data, path) each, one of the latter two being empty.

    Read with PyYAML where it is there, else line by line: both keys are unmistakable.

    Raises:
        Unreadable: it is not a kubeconfig.
    """
    text = data.decode("utf-8", errors="replace")
    try:
        loaded = _load(text)
    except ImportError:
        return _by_lines(text)
    if not isinstance(loaded, dict) or not ({"users", "clusters", "contexts"} & set(loaded)):
        raise Unreadable("it is not a kubeconfig")
    found = []
    for section, inner, key in (("users", "user", "client-certificate"), ("clusters", "cluster", "certificate-authority")):
        entries = loaded.get(section)
        for entry in entries if isinstance(entries, list) else ():
            values = entry.get(inner) if isinstance(entry, dict) else None
            if not isinstance(values, dict):
                continue
            name = f"{inner} {str(entry.get('name') or '?')[:100]}"
            if values.get(f"{key}-data"):
                found.append((name, str(values[f"{key}-data"]).encode("utf-8", errors="replace"), ""))
            elif values.get(key):
                found.append((name, b"", str(values[key])))
    return found


def _load(text: str) -> t.Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise Unreadable("it is not valid YAML") from exc


def _by_lines(text: str) -> list[tuple[str, bytes, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*-?\s*(client-certificate|certificate-authority)(-data)?:\s*[\"']?([^\"'\s]+)", line)
        if match:
            key, embedded, value = match.groups()
            found.append((f"{key}, line {number}", value.encode() if embedded else b"", "" if embedded else value))
    return found


def read(path: str, *, form: str, passphrase: str) -> Bundle:
    """All certificates of a file, in its order.

    Raises:
        Unreadable: there is no file, no permission, no certificate in it, or a wrong passphrase.
    """
    data = _read_bytes(path)
    if form == "auto":
        form = _guess(path, data)
    if form == "pkcs12":
        return Bundle(tuple(_pkcs12(data, passphrase)))
    if form == "jks":
        return Bundle(tuple(_jks(data, passphrase)))
    return read_bundle(data, form=form)


def group(target: str, bundle: Bundle, *, kind: str, address: str) -> list[Seen]:
    """One Seen for each certificate that issued no other one of them; what remains is its chain, in the order it stands.

    A file with one chain is one target; a trust store is as many as it has roots.
    """
    unique = list(dict.fromkeys(bundle.certs))
    heads = [one for one in unique if not any(one.issued(other) for other in unique if other is not one)]
    # Certificates that issued each other in a ring: nothing honest, but each is to be seen.
    heads = heads or unique
    seen: list[Seen] = []
    for number, head in enumerate(heads, 1):
        chain = (head, *(one for one in unique if one is not head)) if len(heads) == 1 else (head, *_above(head, unique))
        name = target if len(heads) == 1 else f"{target}#{number}"
        seen.append(Seen(target=name, kind=kind, address=address, chain=chain, passed_over=0 if seen else bundle.passed_over))
    return seen


def _above(head: Cert, certs: t.Sequence[Cert]) -> list[Cert]:
    """The certificates above one, found by issuer."""
    found: list[Cert] = []
    current = head
    while not current.self_issued:
        issuer = next((one for one in certs if one is not head and one not in found and one.issued(current)), None)
        if issuer is None:
            break
        found.append(issuer)
        current = issuer
    return found


def _unreadable(target: str, kind: str, address: str, problem: Unreadable) -> Seen:
    return Seen(target=target, kind=kind, address=address, trouble=Trouble(
        UNREADABLE, problem.message, blind=bool(problem.facts.get("blind")), hint=problem.hint or "",
    ))


def _read_bytes(path: str) -> bytes:
    try:
        # Not blocking: a named pipe must not hold us.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError as exc:
        raise Unreadable("there is no such file") from exc
    except OSError as exc:
        blind = isinstance(exc, PermissionError)
        raise Unreadable(os.strerror(exc.errno or 0).lower(), blind=blind, hint="Use become to read it." if blind else None) from exc
    try:
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        raise Unreadable(f"it cannot be read: {str(exc)[:100]}") from exc
    if not data:
        raise Unreadable("it is empty")
    if len(data) > _MAX_BYTES:
        raise Unreadable(f"it is bigger than {_MAX_BYTES >> 20} MiB", blind=True)
    return data


def _base64(data: bytes) -> bytes:
    try:
        return base64.b64decode(re.sub(rb"\s+", b"", data), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Unreadable("its Base64 is damaged") from exc


def _guess(path: str, data: bytes) -> str:
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
        return "jks"
    if b"-----BEGIN" in data:
        return "pem"
    # Both are a DER sequence; a PKCS#12 file continues with the version 3.
    if path.lower().endswith((".p12", ".pfx")) or _PFX.match(data):
        return "pkcs12"
    return "der"


def _pkcs12(data: bytes, passphrase: str) -> list[Cert]:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

    try:
        store = pkcs12.load_pkcs12(data, passphrase.encode() if passphrase else None)
    # The library raises what its parsers raise, a wrong passphrase being a ValueError among others.
    except Exception as exc:
        said = str(exc)
        if "password" in said.lower() or "mac" in said.lower():
            raise Unreadable("the passphrase is wrong or missing", blind=True, hint=_PASSPHRASE_HINT) from exc
        raise Unreadable("it is not a readable PKCS#12 file") from exc
    held = ([store.cert] if store.cert is not None else []) + list(store.additional_certs)
    if not held:
        raise Unreadable("there is no certificate in it")
    return [_parsed(one.certificate.public_bytes(Encoding.DER)) for one in held]


def _jks(data: bytes, passphrase: str) -> list[Cert]:
    try:
        import jks
    except ImportError as exc:
        raise Unreadable(
            "it is a Java key store, and pyjks is not on this host", blind=True, hint="Install pyjks for the Python that runs the module.",
        ) from exc
    try:
        # Keys stay closed: only certificates are wanted.
        store = jks.KeyStore.loads(data, passphrase or None, try_decrypt_keys=False)
    except Exception as exc:
        raise Unreadable(
            "it cannot be opened: the passphrase is wrong or missing, or the key store is damaged", blind=True, hint=_PASSPHRASE_HINT,
        ) from exc
    held = [der for entry in store.private_keys.values() for _kind, der in entry.cert_chain]
    held += [entry.cert for entry in store.certs.values()]
    if not held:
        raise Unreadable("there is no certificate in it")
    return [_parsed(der) for der in held]


def _parsed(der: bytes) -> Cert:
    try:
        return parse(der)
    except BadCertificate as exc:
        raise Unreadable(f"it holds {exc.message}") from None
