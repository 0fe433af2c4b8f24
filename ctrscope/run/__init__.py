"""RUN: what ``ctrscope run`` takes besides the runtime: options become a specification, a supervisor stays, all is removed."""
