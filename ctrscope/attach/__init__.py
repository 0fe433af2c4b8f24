"""ENTER: start a program in the namespaces of a running container. One of the two layers that change anything on a host.

``plan`` decides and may refuse, ``enter`` does: see there for the three processes that take part.
"""
