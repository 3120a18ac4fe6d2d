"""``python -m tests.new_migration 0004 "what changes"``: write the next migration (生成迁移) from the models.

Read it before you commit it: a new column that may not be null needs a ``server_default`` for the rows that are there.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from services import schema
from services.db import Database


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__)
        return 2
    identifier, message = arguments
    with tempfile.TemporaryDirectory() as place:
        db = Database(f"sqlite:///{Path(place) / 'empty.sqlite3'}")
        schema.migrate(db)
        schema.write_revision(db, message, identifier)
        db.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
