"""Refuses requests that pages of other sites make a browser send: Host, Origin and a header.

No host does this for our routes. A foreign page can send simple POSTs to 127.0.0.1, and through a
name that it points there (DNS rebinding) read the answers; Forge and Gradio 4 and later even allow
it by CORS as soon as the Host is not localhost.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from loradex.server.problems import RequestRefusedError

WRITE_HEADER = "X-Loradex"
_READING = ("GET", "HEAD")
_FOREIGN_SITES = ("cross-site", "same-site")


@dataclass(frozen=True)
class Guard:
    """Who may ask: this machine's own names, addresses, and the names in `hosts`.

    `hosts` are further names under which the user reaches the host, as a browser shows them
    (`studio.local`, `art.example.org:8443`); a proxy that rewrites Host needs its own name here.
    """

    hosts: Collection[str] = ()

    def check(self, method: str, headers: Mapping[str, str]) -> None:
        """Lets a request pass, or says why not; `headers` are looked up by lower-case name.

        Raises:
            RequestRefusedError: the request is not from the host's own page or a program.
        """
        host = headers.get("host", "").strip().lower()
        self._check_host(host)
        self._check_origin(headers.get("origin"), host)
        _check_site(headers.get("sec-fetch-site", ""))
        if method.upper() not in _READING and headers.get(WRITE_HEADER.lower()) != "1":
            raise RequestRefusedError(
                f"{method} request", f"it has no header {WRITE_HEADER}: 1", "that header",
                "A program sends it with every request that changes something.",
            )

    def _check_host(self, host: str) -> None:
        """A rebound name is the attacker's own, so it is none of these."""
        name = _name_of(host)
        if name == "localhost" or name.endswith(".localhost") or _is_address(name):
            return
        if name and name in {_name_of(one.strip().lower()) for one in self.hosts}:
            return
        raise RequestRefusedError(
            f"Host {host or '(none)'}", "it is not a name of this server",
            "localhost, an IP address or a name from the settings",
            "Add the name to the allowed hosts if it is yours.",
        )

    def _check_origin(self, origin: str | None, host: str) -> None:
        """Only pages of this very server; `null` is a page in a sandbox or a local file."""
        if origin is None:
            return
        scheme, _, place = origin.strip().lower().partition("://")
        ours = {host, *(one.strip().lower() for one in self.hosts)}
        if scheme not in ("http", "https") or place not in ours:
            raise RequestRefusedError(
                f"Origin {origin}", "the request is from a page of another site",
                f"a page of {host}", "Open the page under the address that the server has.",
            )


def _check_site(site: str) -> None:
    """What the browser itself says of the page, also where it sends no Origin (`<img>`)."""
    if site.strip().lower() in _FOREIGN_SITES:
        raise RequestRefusedError(
            f"Sec-Fetch-Site {site}", "the request is from a page of another site",
            "same-origin or none", "Open the address itself, not a link on another page.",
        )


def _name_of(host: str) -> str:
    """`[::1]:7860` is `::1`, `localhost.:80` is `localhost`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
