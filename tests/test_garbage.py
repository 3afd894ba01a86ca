"""A server's garbage is found, and what lives is looked at once."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def test_garbage_is_found_once_all_is_made_and_what_survives_is_let_be() -> None:
    code = """
        import gc
        import weakref

        from understudy.mockserver.garbage import calm, hold

        class Ring:
            def __init__(self) -> None:
                self.itself = self

        hold()
        print("held:", not gc.isenabled())
        calm()
        print("frozen:", gc.get_freeze_count() > 1_000)
        lost = weakref.ref(Ring())
        kept = [[] for _ in range(1_000)]
        frozen = gc.get_freeze_count()
        kept += [[] for _ in range(50_000)]  # more than it takes for a search
        print("found:", lost() is None)
        print("let be:", gc.get_freeze_count() - frozen > 30_000)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)

    assert "held: True\nfrozen: True\nfound: True\nlet be: True\n" == done.stdout
