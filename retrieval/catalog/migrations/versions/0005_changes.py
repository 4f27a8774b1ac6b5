"""How often what a collection shows has changed.

Revision: 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("collections", sa.Column("n_changes", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("collections", "n_changes")
