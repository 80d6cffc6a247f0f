"""Brings registers, consents and oppositions from outside into the index: sources, a schedule, runs."""
