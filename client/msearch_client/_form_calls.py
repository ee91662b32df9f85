"""The client's calls about the files that variants were measured as."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msearch_client._artifacts import OnProgress, write_atomically
from msearch_client._catalogue import Artifact
from msearch_client._errors import LocalError
from msearch_client._profile_calls import ProfileCalls
from msearch_client._profiles import Profile
from msearch_client._wire import profiles as wire


class FormCalls(ProfileCalls):
    """Fetch what was measured."""

    def download_form(
        self,
        profile: str | Profile,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: OnProgress | None = None,
    ) -> Path:
        """Writes the file that a profile was measured as, where the agent made one, and returns its path.

        Where nothing was made, it was measured as the model's artifact: `download_artifact` has that. The digest is
        verified; the file appears whole or not at all.

        Args:
            profile: a profile or its id.
            path: the file to write.
            overwrite: whether it may be there.
            progress: called with (bytes received, bytes in all).

        Raises:
            NotFoundError: there is no such profile.
            LocalError: the service keeps no such file, or it exists or cannot be written, or the bytes are damaged.
        """
        found = profile if isinstance(profile, Profile) else self.get_profile(profile)
        form, target = found.form, Path(path)
        if form is None or not form.kept:
            raise LocalError(
                f"the service keeps no file that profile {found.id} was measured as",
                hint="it was measured as the model's artifact, or the agent had nothing kept; measure it again",
            )
        if target.exists() and not overwrite:
            raise LocalError(f"{target} exists already", hint="allow to overwrite it, or name another file")
        announced = Artifact(format=form.format, digest=form.digest, size_bytes=form.size_bytes)

        def consume(stream: Iterator[Any]) -> None:
            write_atomically(target, announced, (message.chunk for message in stream), progress)

        self._transport.receive(
            self._transport.profiling.DownloadForm,
            wire.download_form(found.id),
            consume,
            timeout_s=self._transport.transfer_timeout_s(form.size_bytes),
        )
        return target
