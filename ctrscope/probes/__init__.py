"""HOW the kernel is asked: one module per kernel source, named after its manual page.

Each module is ``read_…`` (opens, decides about errno) and ``parse_…`` (pure, total, raises only ParseError).
"""
