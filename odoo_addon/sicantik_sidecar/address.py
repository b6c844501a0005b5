"""Addresses of servers: SICANTIK's and the sidecar's."""

import ipaddress
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def is_usable(url):
    """Whether `url` is http(s) with a host, and without credentials, query or fragment."""
    try:
        parts = urlsplit(url or "")
        extra = parts.username is not None or parts.password is not None or parts.query or parts.fragment
        is_port = parts.port is None or parts.port > 0
        return parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and is_port and not extra
    except ValueError:
        return False


def server_of(url):
    """The server of an address, in lower case, or False where it has none. With its port unless that is one
    of the web's own two: a server that is reached by http and by https is one machine. The sidecar names
    servers in the same way.
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
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
