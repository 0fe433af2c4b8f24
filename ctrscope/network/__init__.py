"""CONNECT: a bridge of the launcher's own, with addresses, translation and published ports."""
