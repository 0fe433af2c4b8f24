"""UNPACK: OCI images as root directories. Whoever made one is a stranger."""
