"""Use cases of profiles: get and list."""

from __future__ import annotations

from dataclasses import replace

from search_service.domain.catalog import Page
from search_service.domain.profiling import Profile, ProfileFilter
from search_service.usecases.fields import Reference
from search_service.usecases.models import resolve_model
from search_service.usecases.once import fingerprint
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.profiling import Profiling


def get_profile(profiling: Profiling, profile_id: str) -> Profile:
    """The profile with histogram and runs. Raises NotFound (PROFILE_NOT_FOUND)."""
    with profiling.database.begin() as unit:
        return unit.profiles.get(profile_id)


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
