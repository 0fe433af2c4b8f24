"""ACT: what changes something about a container without asking its engine: limits, freezer, signals; and what is exported."""
