"""What all of the project's own tests share."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The same examples on every run; `HYPOTHESIS_PROFILE=explore` looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))
