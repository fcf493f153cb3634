"""Started by the platform's scheduler, by developers, and by `make run`."""

import sys

from platform_interface.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
