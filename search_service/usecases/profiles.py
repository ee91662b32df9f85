"""Use cases of profiles: get one or many, and list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from search_service.domain.catalog import Page
from search_service.domain.profiling import Profile, ProfileFilter
from search_service.usecases.fields import Reference, invalid
from search_service.usecases.models import resolve_model
from search_service.usecases.once import fingerprint
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.profiling import Profiling

MOST_AT_ONCE = 50
"""Profiles of one answer. Each has tens of KiB, and clients take 4 MiB unless they ask for more."""


def get_profile(profiling: Profiling, profile_id: str) -> Profile:
    """The profile with histogram and runs. Raises NotFound (PROFILE_NOT_FOUND)."""
    with profiling.database.begin() as unit:
        return unit.profiles.get(profile_id)


def get_profiles(profiling: Profiling, profile_ids: Sequence[str]) -> list[Profile]:
    """Those of the profiles that are there, with histogram and runs, in the order of their ids.

    Raises:
        InvalidArgument: no id, or more than MOST_AT_ONCE.
    """
    if not 1 <= len(profile_ids) <= MOST_AT_ONCE:
        raise invalid("profile_ids", f"must hold from 1 to {MOST_AT_ONCE} ids, not {len(profile_ids)}")
    with profiling.database.begin() as unit:
        found = unit.profiles.get_many(profile_ids, whole=True)
    return [found[profile_id] for profile_id in dict.fromkeys(profile_ids) if profile_id in found]


def list_profiles(
    profiling: Profiling, model: Reference | None, filter: ProfileFilter, size: int, token: str
) -> tuple[Page[Profile], str]:
    """A page of profiles, newest first, without histogram and runs, and the token of the next.

    Raises:
        NotFound: MODEL_NOT_FOUND, the model referred to.
    """
    bound_to = fingerprint("ListProfiles", model, filter)
    after = decode_token(bound_to, token, parts=1)
    with profiling.database.begin() as unit:
        wanted = filter if model is None else replace(filter, model_id=resolve_model(unit, model).id)
        page = unit.profiles.page(wanted, after, page_size(size, default=50))
    return page, encode_token(bound_to, page.after)
