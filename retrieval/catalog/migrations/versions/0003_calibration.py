"""Where a collection's own calibration lies.

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("collections", sa.Column("calibration", sa.JSON))


def downgrade() -> None:
    op.drop_column("collections", "calibration")
