"""Widgets: each draws a finished value and knows nothing of containers."""
