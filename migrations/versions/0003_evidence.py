"""Evidence: samples to evaluate on, outputs of models on them, validation statistics, predictors.

A migration is frozen: it imports nothing of the program, whose tables go on changing.
"""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
