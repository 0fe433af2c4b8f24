"""Screens: each turns the latest sample into finished rows and text for its widgets."""
