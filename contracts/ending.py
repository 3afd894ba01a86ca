"""How `check` and `drift` end when they could not find out what they were asked."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from understudy.contracts.findings import Unable

COULD_NOT = 2
"""The status when nothing was found out, and nothing has failed."""

INTERRUPTED = 130
"""The same when somebody has interrupted it, as a shell has it."""


@contextmanager
def ending(interrupted: str, told: Callable[[str], str] = str) -> Iterator[None]:
    """Whatever ends the block before its time ends the process, with a reason, which `told` makes fit to be read, and a
    status that is no finding."""
    try:
        yield
    except Unable as unable:
        click.echo(f"Error: {told(str(unable))}", err=True)
        sys.exit(COULD_NOT)
    except BrokenPipeError:  # whoever read this has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT)
    except KeyboardInterrupt:  # by who runs it, or by a client
        click.echo(interrupted, err=True)
        sys.exit(INTERRUPTED)
    except Exception:  # a mistake of ours, which says nothing of whatever was looked at
        # A traceback names what the exception had in hand, which may be a secret.
        click.echo(told(traceback.format_exc()), err=True)
        sys.exit(COULD_NOT)
