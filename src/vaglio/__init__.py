"""Vaglio screens every outbound call of a call centre inside its PBX.

A call arrives as a question, the index supplies the facts, the rules answer, the log records,
and only then the answer goes back.
"""

__version__ = "0.1.0"
