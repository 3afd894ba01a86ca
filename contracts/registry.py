"""Every property of the suite, in the order in which they are told, and each by its name."""

from __future__ import annotations

from difflib import get_close_matches

from understudy.contracts import (
    part_properties,
    provider_properties,
    run_properties,
    service_properties,
    trouble_properties,
)
from understudy.contracts.findings import Unable
from understudy.contracts.lifecycle import it_agrees_with_the_contract_in_any_order, its_jobs_keep_apart_in_any_order
from understudy.contracts.properties import Property

CLIENT_PROPERTIES: tuple[Property, ...] = (
    *run_properties.PROPERTIES,
    *trouble_properties.PROPERTIES,
    *part_properties.PROPERTIES,
    it_agrees_with_the_contract_in_any_order,
)
PROVIDER_PROPERTIES: tuple[Property, ...] = (
    *provider_properties.PROPERTIES,
    *service_properties.PROPERTIES,
    its_jobs_keep_apart_in_any_order,
)


def property_named(name: str) -> Property:
    """Raises Unable, with what comes close."""
    every = {one.name: one for one in (*CLIENT_PROPERTIES, *PROVIDER_PROPERTIES)}
    if name not in every:
        close = get_close_matches(name, every, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise Unable(f"There is no property {name!r}.{hint} `understudy check --list` names them all.")
    return every[name]
