"""Scrubbing: a whole calling list asked in advance, lead by lead, as `vaglio check` would answer.

It is advice. The gate decides again at the call, with the facts of that moment.
"""

from vaglio.reports.scrub.run import Order, Summary, scrub

__all__ = ["Order", "Summary", "scrub"]
