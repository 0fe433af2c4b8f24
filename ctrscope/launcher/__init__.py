"""MAKE: a minimal OCI runtime for test containers, each step a short function in the order of the text books."""
