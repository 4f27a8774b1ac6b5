"""Jobs, uploaded files, replies to requests that may be repeated.

Revision: 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("collection_id", sa.String, sa.ForeignKey("collections.id", ondelete="CASCADE"), nullable=False),
        sa.Column("batch_id", sa.String),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("source_id", sa.String, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("content_hash", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("stage", sa.String, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("is_cancelled", sa.Integer, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("finished_at", sa.Float),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "not_before"])
    op.create_index("jobs_by_source", "jobs", ["collection_id", "source_id"])
    op.create_index("jobs_by_content", "jobs", ["content_hash"])
    op.create_index("jobs_by_time", "jobs", ["created_at", "id"])
    op.create_table(
        "uploads",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("content_hash", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_uploads_content_hash", "uploads", ["content_hash"])
    op.create_table(
        "replies",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("ix_replies_created_at", "replies", ["created_at"])


def downgrade() -> None:
    for table in ("replies", "uploads", "jobs"):
        op.drop_table(table)
