"""Command that runs a program with tracing configured from the environment: `python -m tracestore_client app.py`.

`-m module` runs a module instead, for example `-m gunicorn app:app`. The program gets its own arguments in `sys.argv`.
"""

import os
import runpy
import sys

from . import configure


def main() -> None:
    """Run the program or module on the command line."""
    arguments = sys.argv[1:]
    is_module = arguments[:1] == ["-m"]
    if len(arguments) < 1 + is_module:
        sys.exit("usage: python -m tracestore_client (program.py | -m module) [arguments…]")
    configure()
    if is_module:
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
