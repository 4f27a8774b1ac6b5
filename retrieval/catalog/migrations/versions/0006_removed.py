"""Deleted collections that an index may still hold.

Revision: 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table("removed_collections", sa.Column("id", sa.String, primary_key=True))


def downgrade() -> None:
    op.drop_table("removed_collections")
