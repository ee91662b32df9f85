"""`spaces`: list, show, register, delete feature spaces."""

from __future__ import annotations

import json as json_format
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from msearch_client import Client, LocalError, Modality, Space
from msearch_client.cli import options
from msearch_client.cli.output import count_of, format_time, print_fields, print_json, print_line, print_table

app = typer.Typer(help="The feature spaces: what makes two signatures comparable.")

DIGEST_LENGTH = 64

Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="Digest of the space, or an unambiguous beginning.")]


@app.command("list")
def list_spaces(
    *,
    modality: Annotated[
        Modality | None, typer.Option("--modality", metavar="MODALITY", help="Keep this modality.")
    ] = None,
    limit: options.Limit = 1000,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """List feature spaces by digest."""
    with Client(server) as client:
        found = client.spaces(modality)
        shown = list(islice(found, limit))
        total = found.total
    if json:
        print_json({"spaces": [space.to_dict() for space in shown], "total": total})
        return
    if shown:
        print_table([_row(space) for space in shown], numbers=("dimensions",), wide=("description",))
    print_line(count_of(len(shown), total, "space"))


def _row(space: Space) -> dict[str, str]:
    return {
        "digest": space.digest[:12],
        "modality": space.modality,
        "featuriser": space.featuriser,
        "dimensions": str(space.dimension),
        "schema": space.schema_digest[:12] or "any",
        "description": space.description,
    }


@app.command()
def show(digest: Digest, *, server: options.Server = None, json: options.Json = False) -> None:
    """Show one feature space with its document."""
    with Client(server) as client:
        found = client.get_space(_complete(client, digest))
    print_space(found, json=json)


def print_space(space: Space, *, json: bool) -> None:
    """A space as JSON or for people."""
    if json:
        print_json(space.to_dict())
        return
    print_fields(
        {
            "digest": space.digest,
            "modality": space.modality,
            "featuriser": space.featuriser,
            "dimensions": str(space.dimension),
            "schema": space.schema_digest or "any: the space does not depend on the data",
            "description": space.description,
            "registered": format_time(space.created_at),
            "document": json_format.dumps(json_format.loads(space.document)),
        }
    )


@app.command()
def register(
    document: Annotated[Path, typer.Argument(metavar="FILE", help="JSON document of the space.")],
    *,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="Free text.")] = "",
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Register a feature space; for a schema that has one already, that one is shown."""
    try:
        text = options.read_bytes(document).decode()
    except UnicodeDecodeError:
        raise LocalError(f"{document} is not a JSON document") from None
    with Client(server) as client:
        registered = client.register_space(text, description=description)
    print_space(registered, json=json)


@app.command()
def delete(
    digest: Digest, *, yes: options.Yes = False, server: options.Server = None, json: options.Json = False
) -> None:
    """Delete a feature space; refused while a signature lives in it."""
    with Client(server) as client:
        found = client.get_space(_complete(client, digest))
        options.confirm(f"Delete the feature space {found.digest[:12]} ({found.featuriser})?", yes=yes)
        client.delete_space(found)
    if json:
        print_json({"deleted": found.digest})
    else:
        print_line(f"deleted {found.digest}")


def _complete(client: Client, beginning: str) -> str:
    """The whole digest: tables show 12 digits."""
    if len(beginning) >= DIGEST_LENGTH:
        return beginning
    matching = [space.digest for space in client.spaces() if space.digest.startswith(beginning)]
    if len(matching) != 1:
        found = f"{len(matching)} feature spaces begin" if matching else "no feature space begins"
        raise LocalError(f"{found} with {beginning!r}", hint="`msearch-cli spaces list` shows them all")
    return matching[0]
