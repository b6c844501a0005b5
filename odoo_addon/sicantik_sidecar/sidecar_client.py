"""The one place that makes HTTP calls: JSON-RPC to the sidecar, within five seconds, knowing nothing of Odoo.

A call runs in a daemon thread: time-outs alone would not keep the promise, as looking up a name has none, and
a server that sends a byte a second never runs into one. Whoever only says "look now" does not wait at all.
"""

import json
import logging
import threading
from concurrent.futures import Future, TimeoutError

import requests
from requests.adapters import HTTPAdapter

from .address import is_usable

_logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 5.0
# The sidecar's answers are some hundred bytes.
LARGEST_ANSWER = 64 * 1024


class SidecarError(Exception):
    """No result, and why: `address` (no usable one), `unreachable`, `slow`, `token` (refused), `foreign`
    (something else answers there) or `refused` (the sidecar says why in `detail`). Errors of the library are
    not passed on: some of them quote the request with its token.
    """

    def __init__(self, kind, detail=""):
        super().__init__(kind)
        self.kind = kind
        self.detail = detail


class _Limits(HTTPAdapter):
    """Time-outs that no call can forget."""

    def send(self, request, **options):
        return super().send(request, **{**options, "timeout": (CONNECT_SECONDS, TOTAL_SECONDS)})


def is_usable_token(token):
    """Whether `token` can stand in a header: visible ASCII, as the sidecar wants it too."""
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def call(url, token, method, params=None):
    """The result of `method`, or a `SidecarError`, within `TOTAL_SECONDS`."""
    outcome = Future()

    def work():
        try:
            outcome.set_result(_exchange(url, token, method, params))
        except SidecarError as error:
            outcome.set_exception(error)

    try:
        _in_background(work)
        return outcome.result(TOTAL_SECONDS)
    except (RuntimeError, TimeoutError):
        # A `RuntimeError`: the system gives no more threads.
        raise SidecarError("slow") from None


def _in_background(work, *args):
    threading.Thread(target=work, args=args, name="sicantik.sidecar", daemon=True).start()


def _exchange(url, token, method, params=None):
    if not is_usable(url):
        raise SidecarError("address")
    headers = {"Authorization": f"Bearer {token}"} if is_usable_token(token) else {}
    question = {"jsonrpc": "2.0", "id": 1, "method": method, **({"params": params} if params else {})}
    try:
        with requests.Session() as session:
            # Neither a proxy nor a .netrc of the system gets to see, or to replace, the token.
            session.trust_env = False
            session.adapters = {"http": _Limits()}
            response = session.post(url, json=question, headers=headers, allow_redirects=False, stream=True)
            text = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
    except requests.exceptions.ReadTimeout:
        raise SidecarError("slow") from None
    except Exception as error:
        _logger.debug("The sidecar cannot be reached: %s", type(error).__name__)
        raise SidecarError("unreachable") from None
    if response.status_code in (401, 403):
        raise SidecarError("token")
    try:
        answer = json.loads(text) if response.status_code == 200 and len(text) <= LARGEST_ANSWER else {}
        if answer["jsonrpc"] != "2.0":
            raise SidecarError("foreign")
        if error := answer.get("error"):
            raise SidecarError("refused", str(error.get("message") or "")[:500])
        return answer["result"]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise SidecarError("foreign") from None


class Waker:
    """Tells sidecars "look now" without anybody waiting for it. One thread for each address is under way at
    most; what comes meanwhile is sent once more after it. A call that is lost is no harm: the sidecar looks
    by itself.
    """

    def __init__(self):
        self._lock = threading.Lock()
        # The addresses under way, and whether to call them once more.
        self._busy = {}

    def wake(self, url, token):
        access = url, token
        with self._lock:
            is_busy = access in self._busy
            self._busy[access] = is_busy
        if not is_busy:
            try:
                _in_background(self._send, access)
            except RuntimeError:
                del self._busy[access]

    def _send(self, access):
        is_wanted = True
        while is_wanted:
            try:
                _exchange(*access, "sync.wake")
            except SidecarError as error:
                _logger.info("The sidecar could not be woken (%s); it looks by itself later.", error.kind)
            with self._lock:
                is_wanted = self._busy.pop(access)
                if is_wanted:
                    self._busy[access] = False


waker = Waker()
