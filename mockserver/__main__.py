"""`python -m understudy.mockserver` is the command `understudy`."""

from understudy.mockserver.cli import main

main(prog_name="understudy")
