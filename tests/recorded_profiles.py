"""Real profiles, as an agent reported them: three networks of the example zoo on a host of two cores.

Other programs kept the host busy, so every one of them is INVALID, and that is what they are for: real quantities,
fingerprints and reasons, nothing of which may count.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from google.protobuf.json_format import ParseDict

from msearch.v1 import profiles_pb2 as pb
from msearch_client import Profile
from msearch_client._wire.profiles import profile_from_proto

FILE = Path(__file__).parent / "recorded" / "zoo_profiles.json.gz"


def recorded_profiles() -> list[Profile]:
    """All of them."""
    return [profile_from_proto(ParseDict(one, pb.Profile())) for one in json.loads(gzip.decompress(FILE.read_bytes()))]
