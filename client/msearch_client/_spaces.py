"""The client's calls about feature spaces."""

from __future__ import annotations

from msearch_client._catalogue import Modality, Space, parse_modality
from msearch_client._listing import Listing, Page
from msearch_client._references import new_request_id
from msearch_client._transport import Transport
from msearch_client._wire import requests
from msearch_client._wire.catalogue import space_from_proto
from msearch_sketch.spaces import FeatureSpace

PAGE_SIZE = 200


class SpaceCalls:
    """Register, read, change and delete feature spaces."""

    _transport: Transport

    def register_space(
        self, space: FeatureSpace | str, *, description: str = "", request_id: str | None = None
    ) -> Space:
        """Registers a feature space, given as a value or as its JSON document, and returns the one to use.

        For a space tied to a schema the first one registered wins: the answer may be an earlier one.

        Raises:
            InvalidArgumentError: the document is malformed.
        """
        document = space.document if isinstance(space, FeatureSpace) else space
        request_id = new_request_id() if request_id is None else request_id
        answer = self._transport.call(
            self._transport.registry.RegisterFeatureSpace,
            requests.register_space(document, description, request_id),
            repeatable=bool(request_id),
        )
        return space_from_proto(answer.space)

    def get_space(
        self, digest: str | None = None, *, schema_digest: str | None = None, featuriser: str | None = None
    ) -> Space:
        """One feature space: by its digest, or by the schema it is tied to and the featuriser ("name@version").

        Raises:
            NotFoundError: no such space is registered.
            TypeError: neither a digest nor both of schema digest and featuriser are given.
        """
        if digest is not None and schema_digest is None and featuriser is None:
            request = requests.get_space(digest)
        elif digest is None and schema_digest is not None and featuriser is not None:
            request = requests.get_space_of_schema(schema_digest, featuriser)
        else:
            raise TypeError("get_space() takes a digest, or schema_digest and featuriser")
        answer = self._transport.call(self._transport.registry.GetFeatureSpace, request)
        return space_from_proto(answer.space)

    def spaces(self, modality: Modality | str | None = None, *, page_size: int = PAGE_SIZE) -> Listing[Space]:
        """All feature spaces, or those of one modality, by digest. Pages are fetched while iterating."""
        chosen = None if modality is None else parse_modality(modality)

        def fetch(token: str) -> Page[Space]:
            request = requests.list_spaces(chosen, page_size, token)
            answer = self._transport.call(self._transport.registry.ListFeatureSpaces, request)
            return Page(
                tuple(space_from_proto(item) for item in answer.spaces), answer.next_page_token, answer.total_size
            )

        return Listing(fetch)

    def update_space(
        self, space: Space | str, *, description: str, revision: int | None = None, request_id: str | None = None
    ) -> Space:
        """Changes the description of a space, given as a value or by its digest; the space itself never changes.

        Given a space that a call returned, or a `revision`, the change is refused if the description changed since.

        Raises:
            NotFoundError: no such space is registered.
            ConflictError: it changed since it was read.
        """
        request_id = new_request_id() if request_id is None else request_id
        known = space.revision if isinstance(space, Space) else 0
        request = requests.update_space(
            space.digest if isinstance(space, Space) else space,
            description,
            known if revision is None else revision,
            request_id,
        )
        answer = self._transport.call(self._transport.registry.UpdateFeatureSpace, request, repeatable=bool(request_id))
        return space_from_proto(answer.space)

    def delete_space(self, space: Space | str, *, request_id: str | None = None) -> None:
        """Deletes a space, given as a value or by its digest.

        Raises:
            NotFoundError: no such space is registered.
            PreconditionFailedError: a signature lives in it.
        """
        request_id = new_request_id() if request_id is None else request_id
        digest = space.digest if isinstance(space, Space) else space
        self._transport.call(
            self._transport.registry.DeleteFeatureSpace,
            requests.delete_space(digest, request_id),
            repeatable=bool(request_id),
        )
