"""What the log and the index tell people: replays, settlement, subject rights, reports."""
