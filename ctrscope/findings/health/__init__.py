"""Rules of health: what is wrong now, or about to be."""
