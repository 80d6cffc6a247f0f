"""`vaglio serve`: the process that answers a PBX, and everything that goes on in it beside the conversations."""
