"""The time that a verification may take: this thread's own, of which other work on the machine takes nothing away.

What a verification reaches would depend on what else runs, if it were the time of day.
"""

from time import thread_time as now

__all__ = ["now"]
