"""Traces of answers.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("collection_id", sa.String, sa.ForeignKey("collections.id", ondelete="CASCADE")),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("answers_by_collection", "answers", ["collection_id"])
    op.create_index("answers_by_time", "answers", ["created_at", "id"])


def downgrade() -> None:
    op.drop_table("answers")
