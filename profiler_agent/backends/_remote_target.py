"""Addresses of remote targets, and to which of them load may be sent."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from profiler_agent.errors import BackendUnavailable, Unreachable

ALLOWED_TARGETS = "MSEARCH_ALLOWED_REMOTE_TARGETS"
"""Environment variable: host names or addresses, separated by commas, that this agent may send load to."""

SCHEMES = ("grpc", "http")
_FORM = "write grpc://HOST:PORT/MODEL or http://HOST:PORT/MODEL"


@dataclass(frozen=True, slots=True)
class Target:
    """A model on a server that speaks the Open Inference Protocol."""

    scheme: str
    host: str
    port: int
    model: str

    @property
    def authority(self) -> str:
        """HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}/{self.model}"


def parse_target(url: str) -> Target:
    """Takes an address apart.

    Raises:
        Unreachable: it is not of the form grpc://HOST:PORT/MODEL or http://HOST:PORT/MODEL.
    """
    if not url:
        raise Unreachable(f"the job names no remote target: {_FORM}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unreachable(f"the remote target {url!r} is no address ({error}): {_FORM}") from error
    fault = _fault(parts)
    model = unquote(parts.path.strip("/"))
    if fault or not host or not port or not model or "/" in model:
        missing = [
            word for word, there in (("host", host), ("port", port), ("model", model and "/" not in model)) if not there
        ]
        words = fault or f"lacks its {' and '.join(missing)}"
        raise Unreachable(f"the remote target {url!r} {words}: {_FORM}")
    return Target(parts.scheme, host, port, model)


def check_target(url: str, allowed_hosts: Collection[str] | None = None) -> Target:
    """Takes an address apart and refuses those that load must not be sent to: all but loopback and `allowed_hosts`.

    A job comes from whoever may submit one, and load in the wrong place is an attack; so it is for the owner of the
    agent to say which servers may get it. `allowed_hosts` are those of the environment variable
    MSEARCH_ALLOWED_REMOTE_TARGETS if left out.

    Raises:
        Unreachable: it is no address.
        BackendUnavailable: this agent does not send load there.
    """
    target = parse_target(url)
    if allowed_hosts is None:
        allowed_hosts = allowed_by_environment()
    if is_loopback(target.host) or target.host.lower() in {host.lower() for host in allowed_hosts}:
        return target
    others = f" and {', '.join(sorted(allowed_hosts))}" if allowed_hosts else ""
    raise BackendUnavailable(
        f"this agent sends load to loopback{others} only, not to {target.host!r}; its owner can allow it by starting"
        f" the agent with --allow-remote-target {target.host}"
    )


def allowed_by_environment() -> tuple[str, ...]:
    """The hosts of MSEARCH_ALLOWED_REMOTE_TARGETS."""
    return tuple(filter(None, (host.strip() for host in os.environ.get(ALLOWED_TARGETS, "").split(","))))


def is_loopback(host: str) -> bool:
    """Whether it is "localhost" or an address such as 127.0.0.1 or ::1. Other names are not looked up."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # "::ffff:127.0.0.1" is loopback too, which Python says only from 3.13 on.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _fault(parts: SplitResult) -> str:
    if parts.scheme not in SCHEMES:
        return f"is of the kind {parts.scheme or 'none'!r}"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password, which are not sent"
    if parts.query or parts.fragment:
        return "has a query or a fragment"
    return ""
