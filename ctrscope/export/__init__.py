"""HAND OVER: answers as bytes that scripts can rely on."""
