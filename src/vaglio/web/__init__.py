"""The doors for people and programs: the HTTP API and the console, in a process of their own on the same files."""
