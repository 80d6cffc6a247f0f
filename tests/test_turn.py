import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vaglio.errors import StoreError
from vaglio.turn import Turn

GREEDY = """
import sys, time
from pathlib import Path
from vaglio.turn import Turn
turn = Turn(Path(sys.argv[1]))
print("up", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    with turn:
        time.sleep(0.005)
"""


def test_a_greedy_process_lets_others_in(tmp_path: Path) -> None:
    """Beside a process that writes without a pause, each further writer waits for about one turn, not for luck."""
    database = tmp_path / "a.db"
    greedy = subprocess.Popen([sys.executable, "-c", GREEDY, str(database)], stdout=subprocess.PIPE)
    try:
        assert greedy.stdout is not None
        greedy.stdout.readline()
        turn = Turn(database)
        waits = []
        for _ in range(100):
            before = time.monotonic()
            with turn:
                waits.append(time.monotonic() - before)
        turn.close()
    finally:
        greedy.kill()
        greedy.wait()
        if greedy.stdout:
            greedy.stdout.close()
    assert sorted(waits)[50] < 0.05


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """Two threads with a turn each never overlap."""
    inside = 0
    overlaps = 0

    def write() -> None:
        nonlocal inside, overlaps
        turn = Turn(tmp_path / "a.db")
        for _ in range(200):
            with turn:
                inside += 1
                overlaps += inside > 1
                time.sleep(0)
                inside -= 1
        turn.close()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == 0


def test_an_unwritable_directory_is_a_clear_error(tmp_path: Path) -> None:
    """The error names the database and what to do."""
    with pytest.raises(StoreError, match="write access"):
        Turn(tmp_path / "missing" / "a.db")
