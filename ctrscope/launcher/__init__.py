"""MAKE: a minimal OCI runtime, each step a short function in the order of the text books."""
