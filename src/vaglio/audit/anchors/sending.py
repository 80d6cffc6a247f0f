"""Every checkpoint to every anchor, each anchor at its own pace and in a thread of its own.

A newer checkpoint takes the place of one that still waits: it covers the same entries, so an anchor that was away
gets the newest, not all. What fails is tried again after 1 s, 2 s, 4 s … at most every 5 minutes.
"""

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vaglio.audit.anchors.definition import Anchor
from vaglio.audit.anchors.delivery import deliver
from vaglio.audit.anchors.failure import AnchorError
from vaglio.audit.anchors.state import AnchorState, read_state, write_state
from vaglio.audit.checkpoint import Checkpoint
from vaglio.errors import StoreError, VaglioError

Heard = Callable[[Anchor, AnchorState], None]
"""Told of every try, from the anchor's own thread."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0


class Anchoring:
    """The anchors of one process.

    Args:
        anchors: where checkpoints go.
        log: audit.db.
        directory: where states and receipts are kept.
        heard: told of every try.
        first_pause: seconds before a failed delivery is tried again; then twice as many, and so on.
    """

    def __init__(
        self,
        anchors: Sequence[Anchor],
        log: Path,
        directory: Path,
        heard: Heard,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._senders = tuple(_Sender(anchor, log, directory, heard, first_pause) for anchor in anchors)

    def start(self) -> None:
        """Begin; the threads end with the process at the latest."""
        for sender in self._senders:
            sender.start()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Have a checkpoint sent to every anchor; returns at once, may be called on the event loop."""
        for sender in self._senders:
            sender.waiting.put(checkpoint)

    def states(self) -> dict[Anchor, AnchorState]:
        """How each anchor stands."""
        return {sender.anchor: sender.state for sender in self._senders}

    def stop(self, seconds: float) -> None:
        """Try what waits once more, then end; what has not gone by then goes after the next start. Blocks."""
        until = time.monotonic() + seconds
        for sender in self._senders:
            sender.waiting.put(None)
        for sender in self._senders:
            if sender.is_alive():
                sender.join(max(0.0, until - time.monotonic()))


class _Sender(threading.Thread):
    """One anchor's thread; a daemon, so that an address that does not answer never holds up the end."""

    def __init__(self, anchor: Anchor, log: Path, directory: Path, heard: Heard, first_pause: float) -> None:
        super().__init__(name=f"anchor-{anchor.name}", daemon=True)
        self.anchor = anchor
        self.waiting: queue.SimpleQueue[Checkpoint | None] = queue.SimpleQueue()
        self.state = read_state(directory, anchor.name)
        self._log = log
        self._directory = directory
        self._heard = heard
        self._first_pause = first_pause
        self._pause = 0.0
        self._tried = float("-inf")
        self._taken = time.monotonic() - _since(self.state)
        self._stopping = False

    def run(self) -> None:
        """Send what is offered until told to stop."""
        newest: Checkpoint | None = None
        while not self._stopping:
            newest = self._newest(newest)
            if newest is not None and self._due() <= 0 and self._try(newest):
                newest = None

    def _newest(self, waiting: Checkpoint | None) -> Checkpoint | None:
        """The newest checkpoint offered; waits for one, but with one at hand no longer than until it is due."""
        wait = None if waiting is None else self._due()
        with suppress(queue.Empty):
            while True:
                offered = self.waiting.get(timeout=wait)
                if offered is None:
                    self._stopping, self._pause = True, 0.0
                    return waiting
                waiting, wait = offered, 0
        return waiting

    def _due(self) -> float:
        """Seconds until the next try."""
        at = max(self._taken + self.anchor.pace, self._tried + self._pause)
        return max(0.0, at - time.monotonic())

    def _try(self, checkpoint: Checkpoint) -> bool:
        self._tried = time.monotonic()
        at = datetime.now(UTC)
        try:
            deliver(self.anchor, checkpoint, self._log, self._directory, at, self.state.size)
        except VaglioError as error:
            self._fail(str(error), at, refused=isinstance(error, AnchorError) and error.conflict)
            return False
        except Exception as error:  # noqa: BLE001 - a hostile answer must not end the thread: the next one may be good
            self._fail(f"{type(error).__name__} while handing over", at, refused=False)
            return False
        self._taken, self._pause = self._tried, 0.0
        self._tell(self.state.succeeded(checkpoint.size, at))
        return True

    def _fail(self, error: str, at: datetime, *, refused: bool) -> None:
        doubled = max(self._first_pause, 2 * self._pause)
        self._pause = min(doubled, LONGEST_PAUSE) * random.uniform(0.8, 1.0)  # noqa: S311 - to spread retries
        self._tell(self.state.failed(error, at, refused=refused))

    def _tell(self, state: AnchorState) -> None:
        self.state = state
        with suppress(StoreError):  # the delivery counts, not the note of it
            write_state(self._directory, self.anchor.name, state)
        self._heard(self.anchor, state)


def _since(state: AnchorState) -> float:
    """Seconds since the last delivery, of an earlier process too; a clock set back counts as none."""
    return float("inf") if state.at is None else max(0.0, (datetime.now(UTC) - state.at).total_seconds())
