"""LOOK: how values become text. Each column is declared once, for the dashboard, the command line and the help."""
