"""Experiments: benchmark files and their jobs.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
