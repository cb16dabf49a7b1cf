"""GET of Amazon's own hosts: no redirect, a size cap, certificates kept."""

from __future__ import annotations

import threading
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

MAX_BYTES = 64 * 1024
KEPT = 32
"""Certificates that are kept; a region has one or two at a time."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def get(url: str, seconds: float) -> bytes:
    """Return the body of a 200. Raises OSError for everything else; a redirect is something else."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=seconds) as answer:
            body: bytes = answer.read(MAX_BYTES + 1)
    except HTTPException as problem:
        raise OSError(f"{type(problem).__name__}: {problem}") from problem
    if answer.status != 200 or len(body) > MAX_BYTES:
        raise OSError(f"the answer is {answer.status} with {len(body)} bytes or more")
    return body


class Kept:
    """What was fetched, by URL, for any number of threads; a failure is asked for again."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._found: OrderedDict[str, bytes] = OrderedDict()

    def __call__(self, url: str) -> bytes:
        with self._lock:
            if url in self._found:
                return self._found[url]
        body = self._fetch(url)
        with self._lock:
            self._found[url] = body
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return body
