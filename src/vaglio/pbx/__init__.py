"""Asterisk: the AGI conversation, the server that holds many of them, and the manager interface."""
