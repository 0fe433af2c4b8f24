"""WHO started it: what container engines leave on disk. No daemon is asked and no engine binary is run.

One module per engine. Each reads its state directories into Records: claims, which ``discovery`` then holds against
the kernel. ``table.py`` lists them; an engine that drives another one comes before it, so that Docker's containers are
Docker's and not containerd's or runc's as well.
"""
