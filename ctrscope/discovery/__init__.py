"""JOIN: what engines say, held against what the kernel says, becomes a Snapshot."""
