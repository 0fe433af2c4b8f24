"""WHAT is on a host: frozen values, no input or output, no clock. The glossary, in code."""
