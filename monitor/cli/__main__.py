"""``python -m monitor.cli``: the same as the command ``vigil``."""

from monitor.cli import main

if __name__ == "__main__":
    main()
