"""A threaded FastAGI server that opens a PostgreSQL connection for every call and asks it one question.

Usage: postgres_server.py PORT CONNINFO. The pattern is that of FastAGI daemons in production; the peer trusts its
client (no password exchange) and the table is read by its primary key, so this is the pattern's lower bound.
"""

import importlib
import socketserver
import sys
from typing import Any, ClassVar

psycopg: Any = importlib.import_module("psycopg")  # no dependency of the project: the bench installs it


class Screen(socketserver.StreamRequestHandler):
    """One call: header block, connection, query, answer, reply."""

    disable_nagle_algorithm = True
    conninfo: ClassVar[str] = ""

    def handle(self) -> None:
        """Answer, and read Asterisk's reply."""
        headers = {}
        while line := self.rfile.readline().strip().decode():
            key, _, value = line.partition(": ")
            headers[key] = value
        with psycopg.connect(self.conninfo) as connection:
            number = headers.get("agi_arg_1", "")
            found = connection.execute("SELECT 1 FROM opposition WHERE number = %s", (number,)).fetchone()
        verdict, reason = ("block", "OPPOSITION") if found else ("allow", "NO_RESTRICTION")
        answer = (
            f'EXEC MSet "VAGLIO={verdict}:{headers.get("agi_uniqueid")}:01ARZ3NDEKTSV4RRFFQ69G5FAV,'
            f'VAGLIO_REASON={reason},VAGLIO_DECISION=01ARZ3NDEKTSV4RRFFQ69G5FAV"\n'
        )
        self.wfile.write(answer.encode())
        self.rfile.readline()


class Server(socketserver.ThreadingTCPServer):
    """A thread a call, as the standard library has it."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


if __name__ == "__main__":
    Screen.conninfo = sys.argv[2]
    with Server(("127.0.0.1", int(sys.argv[1])), Screen) as server:
        server.serve_forever()
