"""Prints the JSON schema of the card: python -m msearch_card > docs/model-card.schema.json."""

import json
import sys

from msearch_card.schema import card_schema

json.dump(card_schema(), sys.stdout, indent=2, sort_keys=True)
sys.stdout.write("\n")
