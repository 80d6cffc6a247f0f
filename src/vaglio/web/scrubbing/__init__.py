"""Lists that were uploaded to be scrubbed: each in a process of its own, its files private and soon gone."""

from vaglio.web.scrubbing.jobs import Job, Jobs, State, Wish

__all__ = ["Job", "Jobs", "State", "Wish"]
