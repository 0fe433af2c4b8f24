"""SHOW: the dashboard. Knows model and render, and is handed a source of samples; it reads no host file itself.

A sampler thread answers one request at a time and posts what it found (``sampling``). ``app`` keeps the latest sample and the
last quarter of an hour of every container (``history``), and publishes it to the screen in front. Screens turn a sample into
finished rows and text; widgets only draw them. What may be done to a container is handed in too (``acting``). Every key is
declared once, in ``actions``; each number key is a screen with a stack of its own.
"""
