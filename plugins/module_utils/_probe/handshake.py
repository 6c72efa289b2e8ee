# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS handshakes: what a server serves, and whether OpenSSL itself verifies it against a trust store.

A handshake that verifies is the only thing that is called verified here. Names are not checked by it: they have a finding of their own.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import ssl
import threading
import time
import warnings

from .._core.errors import BadInput
from .decisions.tls_records import served_chain

_MAX_HANDSHAKE = 256 * 1024
_DER_ENCODING = 2


@dataclasses.dataclass(frozen=True)
class Shaken:
    """A handshake that succeeded, or whose certificates were at least seen.

    Attributes:
        served, verified: DER, the leaf first; `verified` is empty where nothing was verified or the chain cannot be told.
        whole: `served` is everything that was served.
        finished: the handshake came to its end.
    """

    served: tuple[bytes, ...]
    verified: tuple[bytes, ...] = ()
    whole: bool = True
    finished: bool = True
    protocol: str = ""


class Contexts:
    """TLS contexts, made once for each trust store: loading the system's takes longer than a handshake."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[tuple[str, tuple[bytes, ...], str], ssl.SSLContext] = {}
        self._looking: dict[bool, ssl.SSLContext] = {}

    def verifying(self, ca_path: str, *, helpers: tuple[bytes, ...] = (), key_type: str = "") -> ssl.SSLContext:
        """A context that takes only chains to a root of the trust store, and what a client with default settings speaks.

        Args:
            ca_path: a PEM file or a directory with hashed names; "" for the system's trust store.
            helpers: intermediates (DER) that count as if they had been served.
            key_type: rsa or ecdsa, which takes only certificates with such a key, in TLS 1.2 and with any cipher; "" takes all.

        Raises:
            BadInput: the trust store is not usable.
        """
        with self._lock:
            key = (ca_path, helpers, key_type)
            if key not in self._made:
                self._made[key] = _verifying(ca_path, helpers, key_type)
            return self._made[key]

    def looking(self, *, plain: bool = False) -> ssl.SSLContext:
        """A context that takes everything, old and weak as it may be.

        Args:
            plain: TLS 1.2 at most, whose certificates travel in the clear.
        """
        with self._lock:
            if plain not in self._looking:
                self._looking[plain] = _looking(plain=plain)
            return self._looking[plain]


def trust_store_is_empty(ca_path: str) -> bool:
    """Whether the system has no trust store to judge by."""
    if ca_path:
        return False
    paths = ssl.get_default_verify_paths()
    try:
        return paths.cafile is None and not (paths.capath and os.listdir(paths.capath))
    except OSError:
        return True


def can_see_chains() -> bool:
    """Whether this Python shows what a server served: 3.13 officially, 3.10 to 3.12 inside."""
    return hasattr(ssl.SSLSocket, "get_unverified_chain") or hasattr(getattr(ssl, "_ssl")._SSLSocket, "get_unverified_chain")  # noqa: B009


def shake(sock: socket.socket, context: ssl.SSLContext, *, name: str) -> tuple[ssl.SSLSocket, Shaken]:
    """A handshake on a connected socket, whose timeout bounds it.

    Args:
        name: asked for (SNI); "" for none.

    Raises:
        ssl.SSLError, OSError, TimeoutError.
    """
    # The standard library leaves addresses out of SNI by itself.
    secured = context.wrap_socket(sock, server_hostname=name or None, do_handshake_on_connect=True)
    try:
        verifies = context.verify_mode == ssl.CERT_REQUIRED
        served, whole = _chain(secured, "get_unverified_chain")
        if not served:
            leaf = secured.getpeercert(binary_form=True)
            served, whole = ((leaf,) if leaf else ()), False
        verified = _chain(secured, "get_verified_chain")[0] if verifies else ()
        return secured, Shaken(served=served, verified=verified, whole=whole, protocol=secured.version() or "")
    except BaseException:
        secured.close()
        raise


def shake_plainly(sock: socket.socket, context: ssl.SSLContext, *, name: str, until: float) -> Shaken:
    """A handshake of TLS 1.2 whose certificates are read off the wire, even when it fails afterwards.

    Raises:
        ssl.SSLError, OSError, TimeoutError: no certificate was seen.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name or None)
    received = bytearray()
    try:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                _flush(sock, outgoing, until=until)
                got = _receive(sock, until=until)
                if not got:
                    raise ssl.SSLEOFError("the server closed the connection during the handshake") from None
                received += got
                if len(received) > _MAX_HANDSHAKE:
                    raise ssl.SSLError("the server said too much during the handshake") from None
                incoming.write(got)
        _flush(sock, outgoing, until=until)
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, OSError):
        served = served_chain(bytes(received))
        if not served:
            raise
        return Shaken(served=served, finished=False)
    served = served_chain(bytes(received))
    return Shaken(served=served, whole=bool(served), protocol=tls.version() or "") if served else _leaf_only(tls)


def _leaf_only(tls: ssl.SSLObject) -> Shaken:
    leaf = tls.getpeercert(binary_form=True)
    return Shaken(served=(leaf,) if leaf else (), whole=False, protocol=tls.version() or "")


def _flush(sock: socket.socket, outgoing: ssl.MemoryBIO, *, until: float) -> None:
    data = outgoing.read()
    if data:
        sock.settimeout(remaining(until))
        sock.sendall(data)


def _receive(sock: socket.socket, *, until: float) -> bytes:
    sock.settimeout(remaining(until))
    return sock.recv(16384)


def remaining(until: float) -> float:
    """Seconds until then.

    Raises:
        TimeoutError: there are none.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no time is left")
    return left


def _chain(secured: ssl.SSLSocket, method: str) -> tuple[tuple[bytes, ...], bool]:
    """A chain as DER and whether this Python could show it."""
    official = getattr(secured, method, None)
    if official is not None:
        return tuple(bytes(one) for one in official() or ()), True
    inner = getattr(getattr(secured, "_sslobj", None), method, None)
    if inner is None:
        return (), False
    return tuple(bytes(one.public_bytes(_DER_ENCODING)) for one in inner() or ()), True


def _verifying(ca_path: str, helpers: tuple[bytes, ...], key_type: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    # Browsers speak nothing older, whatever this host's own configuration and Python allow.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if key_type:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ALL:!aNULL:!eNULL")
        context.set_ciphers(":".join(one["name"] for one in context.get_ciphers() if one["auth"] == f"auth-{key_type}"))
    try:
        if not ca_path:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        elif os.path.isdir(ca_path):
            context.load_verify_locations(capath=ca_path)
        else:
            context.load_verify_locations(cafile=ca_path)
        if helpers:
            context.load_verify_locations(cadata=b"".join(helpers))
    except (OSError, ssl.SSLError) as exc:
        why = "it is not a PEM file of certificates" if isinstance(exc, ssl.SSLError) else os.strerror(exc.errno or 0).lower()
        raise BadInput(
            f"ca_path: {ca_path} is not usable: {why}.", hint="Give a PEM file of CAs, or a directory made by openssl rehash.",
            argument="ca_path",
        ) from exc
    return context


def _looking(*, plain: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        # Old protocols on purpose: it is a look at what is there, nothing secret passes.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        if plain:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
    # OP_LEGACY_SERVER_CONNECT has a name since Python 3.12 only.
    context.options |= 0x4
    context.set_ciphers("ALL:!aNULL:@SECLEVEL=0")
    return context
