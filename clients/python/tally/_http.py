"""One kept-alive connection to a server.  Every request of this client may be sent again, so a lost answer is no loss."""
from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import ssl
import time
import urllib.parse
from email.utils import parsedate_to_datetime
from typing import Any, Dict, Optional

from ._errors import Refused, TallyError, Unavailable

DEFAULT_URL = "http://127.0.0.1:7070"
TIMEOUT_SECONDS = 15.0
RETRIED = (429, 502, 503, 504)
GZIP_BYTES = 512  # smaller bodies go as they are


class Api:
    """The calls of one server.

    url    http://host:port or https://host, with or without a path before /api.
    token  sent as Bearer; None: none.
    Used by one thread at a time, but for abort().
    """

    def __init__(self, url: str, token: Optional[str] = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TallyError("not the address of a server: %r (http://host:port)" % url)
        self.url = url.rstrip("/")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._token = token
        self._connection: Optional[http.client.HTTPConnection] = None
        self._pid = os.getpid()
        self._aborted = False

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abort(self) -> None:
        """From another thread: end the request that is under way, and make no other."""
        self._aborted = True
        wire = getattr(self._connection, "sock", None)
        if wire is not None:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is over already

    def call(self, method: str, path: str, body: bytes, content_type: str = "application/json") -> Dict[str, Any]:
        """The JSON of a 2xx answer.  Raises Unavailable or Refused."""
        headers = {"Content-Type": content_type, "User-Agent": "tally-python"}
        if self._token:
            headers["Authorization"] = "Bearer " + self._token
        if len(body) >= GZIP_BYTES:
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        answer, text = self._exchange(method, self._base + path, body, headers)
        if 200 <= answer.status < 300:
            return as_object(text)
        if answer.status in RETRIED:
            raise Unavailable("the server answers %d" % answer.status, retry_after(answer.getheader("Retry-After")))
        problem = as_object(text)
        raise Refused(answer.status, problem if "title" in problem else {"title": answer.reason, "detail": text[:300].decode("utf-8", "replace")})

    def _exchange(self, method: str, path: str, body: bytes, headers: Dict[str, str]) -> Any:
        if self._pid != os.getpid():  # a connection belongs to the process that opened it
            self._connection, self._pid = None, os.getpid()
        while not self._aborted:
            fresh = self._connection is None
            try:
                if self._connection is None:
                    self._connection = self._connect()
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                text = answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                self.close()
                if fresh:  # else the server had only closed an idle connection
                    raise Unavailable("%s: %s" % (self.url, error)) from error
                continue
            except (OSError, http.client.HTTPException) as error:
                self.close()
                raise Unavailable("%s: %s" % (self.url, error or type(error).__name__)) from error
            if answer.will_close:
                self.close()
            return answer, text
        raise Unavailable("%s: the end of the program" % self.url)

    def _connect(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
        return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)


def as_object(text: bytes) -> Dict[str, Any]:
    """A JSON object, or {} where the text is none."""
    try:
        value = json.loads(text.decode("utf-8")) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def retry_after(text: Optional[str]) -> Optional[float]:
    """Seconds of a Retry-After header: a number or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
