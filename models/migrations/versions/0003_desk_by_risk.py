"""desk by risk

Revision 0003, after 0002.
"""

from __future__ import annotations

from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index('ix_filing_authority', 'filing')
    op.create_index('ix_filing_authority', 'filing', ['current_authority_id', 'status', 'form', 'year', 'deleted_at', 'risk'])


def downgrade() -> None:
    op.drop_index('ix_filing_authority', 'filing')
    op.create_index('ix_filing_authority', 'filing', ['current_authority_id', 'status', 'form', 'year'])
