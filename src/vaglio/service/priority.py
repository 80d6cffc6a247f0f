"""The service ahead of the machine's other work, where the operator wants it (`fastagi.real_time`).

A call waits for three wake-ups: of the event loop, of the thread that commits, of the event loop again. On a busy
machine each may stand some milliseconds behind whatever else is running; under a real-time policy it does not
(sched(7)). All threads go, for whichever has the interpreter keeps the others from it. The lowest such priority
stays below that of an Asterisk started with `-p`.
"""

import os


def go_first() -> bool:
    """Put the calling thread, and those it starts from now on, ahead of all that is not real-time.

    False where the machine does not grant it.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:  # no right to it (`LimitRTPRIO`), or a container or a filter of system calls says no
        return False
    return True


def stand_back() -> None:
    """Take a process that such a service started back among all others."""
    if os.sched_getscheduler(0) == os.SCHED_RR:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
