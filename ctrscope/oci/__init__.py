"""WORDS: what the OCI runtime specification says of a container, config.json and state, as types; read, validated, kept."""
