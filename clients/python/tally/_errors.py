"""What can go wrong, as exceptions.  None of them reaches a training loop unless it asked for on_error="raise"."""
from __future__ import annotations

from typing import Any, Dict, Optional


class TallyError(Exception):
    """Base of all errors of this package."""


class Unavailable(TallyError):
    """The server cannot be reached or says "later" (429, 502, 503, 504): try again.

    after  seconds that the server asked for (Retry-After), or None.
    """

    def __init__(self, text: str, after: Optional[float] = None) -> None:
        super().__init__(text)
        self.after = after


class Refused(TallyError):
    """The server does not take a request, and would not take it the next time.

    status   the HTTP status.
    problem  the body of the answer, RFC 9457: {"type", "title", "status", "detail", "errors": [{"pointer", "detail"}]}.
    """

    def __init__(self, status: int, problem: Dict[str, Any]) -> None:
        places = ["%s: %s" % (e.get("pointer", ""), e.get("detail", "")) for e in problem.get("errors") or [] if isinstance(e, dict)]
        super().__init__("%d %s%s" % (status, problem.get("detail") or problem.get("title") or "", " (%s)" % "; ".join(places) if places else ""))
        self.status = status
        self.problem = problem

    @property
    def is_about_content(self) -> bool:
        """Is what was sent at fault, and not the address, the token or the server?"""
        return self.status in (400, 409, 413, 422) and str(self.problem.get("type", "")).startswith("urn:tally:")

    @property
    def record(self) -> Optional[int]:
        """The 0-based record of a list that the first pointer names."""
        for entry in self.problem.get("errors") or []:
            head = str(entry.get("pointer", "")).split("/")[1:2]
            if head and head[0].isdigit():
                return int(head[0])
        return None
