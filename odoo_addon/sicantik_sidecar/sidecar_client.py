"""The one place that makes HTTP calls: JSON-RPC to the sidecar, within five seconds, knowing
nothing of Odoo.

A call runs in a daemon thread of its own. Its time-outs alone would not keep the promise: looking
up a name has none, and a server that sends a byte a second never runs into one. So whoever has to
wait for an answer waits for the thread, and no longer than `TOTAL_SECONDS`; whoever only says "look
now" does not wait at all.
"""

import json
import logging
import queue
import threading

import requests
from requests.adapters import HTTPAdapter

from .address import is_usable

_logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 5.0
# The sidecar's answers are some hundred bytes.
LARGEST_ANSWER = 64 * 1024


class SidecarError(Exception):
    """No result, and why.

    `kind`: `address` (no usable one), `unreachable`, `slow`, `token` (refused), `foreign`
    (something else answers there) or `refused` (the sidecar says why in `detail`). Errors of the
    library are not passed on: some of them quote the request with its token.
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
    outcome = queue.SimpleQueue()

    def work():
        try:
            outcome.put((_exchange(url, token, method, params), None))
        except SidecarError as error:
            outcome.put((None, error))

    if not _in_background(work):
        raise SidecarError("slow")
    try:
        result, error = outcome.get(timeout=TOTAL_SECONDS)
    except queue.Empty:
        raise SidecarError("slow") from None
    if error:
        raise error
    return result


def _in_background(work):
    try:
        threading.Thread(target=work, name="sicantik.sidecar", daemon=True).start()
    except RuntimeError:
        # The system gives no more threads.
        return False
    return True


def _exchange(url, token, method, params):
    if not is_usable(url):
        raise SidecarError("address")
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if is_usable_token(token):
        headers["Authorization"] = f"Bearer {token}"
    question = {"jsonrpc": "2.0", "id": 1, "method": method}
    if params:
        question["params"] = params
    try:
        with requests.Session() as session:
            # Neither a proxy nor a .netrc of the system gets to see, or to replace, the token.
            session.trust_env = False
            session.mount("http://", _Limits())
            session.mount("https://", _Limits())
            response = session.post(
                url, data=json.dumps(question), headers=headers, allow_redirects=False, stream=True
            )
            status = response.status_code
            text = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
    except requests.exceptions.ConnectTimeout:
        raise SidecarError("unreachable") from None
    except requests.exceptions.Timeout:
        raise SidecarError("slow") from None
    except Exception as error:
        _logger.debug("The sidecar cannot be reached: %s", type(error).__name__)
        raise SidecarError("unreachable") from None
    if status in (401, 403):
        raise SidecarError("token")
    return _result(status, text)


def _result(status, text):
    try:
        answer = json.loads(text) if status == 200 and len(text) <= LARGEST_ANSWER else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
        raise SidecarError("foreign")
    error = answer.get("error")
    if isinstance(error, dict):
        raise SidecarError("refused", str(error.get("message") or "")[:500])
    if "result" not in answer:
        raise SidecarError("foreign")
    return answer["result"]


class Waker:
    """Tells sidecars "look now" without anybody waiting for it.

    One thread for each address is under way at most, however often the button is pressed; what
    comes meanwhile is sent once more after it. If the process ends before it was sent, nothing is
    lost: the sidecar looks by itself every ten seconds.
    """

    def __init__(self):
        self._lock = threading.Lock()
        # The addresses under way, and whether to call them once more.
        self._busy = {}

    def wake(self, url, token):
        key = (url, token)
        with self._lock:
            is_busy = key in self._busy
            self._busy[key] = is_busy
        if not is_busy and not _in_background(lambda: self._send(key)):
            self._is_wanted_again(key)

    def _send(self, key):
        wanted = True
        while wanted:
            try:
                _exchange(*key, "sync.wake", None)
            except SidecarError as error:
                _logger.info("The sidecar could not be woken (%s); it looks by itself later.", error.kind)
            finally:
                wanted = self._is_wanted_again(key)

    def _is_wanted_again(self, key):
        with self._lock:
            wanted = self._busy.pop(key)
            if wanted:
                self._busy[key] = False
            return wanted


waker = Waker()
