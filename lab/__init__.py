"""The bench of demo and tests: a real Asterisk, SIPp as agent and as trunk, on free ports of loopback."""
