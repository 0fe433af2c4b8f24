"""``python -m ctrscope``."""

import sys

from ctrscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
