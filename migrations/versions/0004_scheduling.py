"""Scheduling: who asked, estimates, trust in agents.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
