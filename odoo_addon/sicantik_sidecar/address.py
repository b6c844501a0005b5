"""The address of a SICANTIK server."""

import ipaddress
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def server_of(url):
    """The server of an address, in lower case, or False where it has none.

    With its port unless that is one of the web's own two: a server that is reached by http and by
    https is one machine. The sidecar names servers in the same way.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return False
    host = (parts.hostname or "").rstrip(".")
    if not host or not port:
        return False
    host = f"[{host}]" if ":" in host else host
    return host if port in DEFAULT_PORTS.values() else f"{host}:{port}"


def is_loopback(url):
    """Whether the server is on this machine, as a simulator is."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problem_of(url):
    """Why `url` cannot be an address of SICANTIK: `unusable`, `secret`, `query`, or nothing."""
    url = url.strip()
    if not server_of(url) or urlsplit(url).scheme not in DEFAULT_PORTS:
        return "unusable"
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        return "secret"
    return "query" if parts.query or parts.fragment else None
