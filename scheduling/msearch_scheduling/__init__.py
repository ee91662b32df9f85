"""How jobs find agents, and a simulator that runs the same policy. Pure."""
