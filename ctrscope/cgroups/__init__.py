"""LIMIT: the cgroups of a test container: made, limited, frozen, removed, on v1 and v2, with systemd or without."""
