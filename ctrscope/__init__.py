"""Shows what the containers on this host really are, read from the kernel and from what engines leave on disk."""

__version__ = "0.1.0"
