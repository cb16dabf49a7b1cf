"""How long is kept what may go."""

from __future__ import annotations

AUDIT_DAYS_MIN = 365
"""An audit log is asked about the year before."""
DAYS_MIN = 31
"""What came back from a mail, and who wants no more of it, is settled by then: an unsubscribe link must work
for 30 days at least (15 U.S.C. 7704(a)(3)). Those of pruned mail work too, as long as the person is known."""
