"""``python -m tests.new_migration 0002 "what changes"``: write the next migration (生成迁移) from the models.

``python -m tests.new_migration --first`` writes the first one anew, which is allowed only while nobody runs a database.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from services import schema
from services.db import Database

# The audit log lets nobody change or remove a line, whoever holds the connection; its seal only counts on, one by one.
TRIGGERS = """
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_line_no_{verb.lower()} BEFORE {verb} ON audit_line "
                "BEGIN SELECT RAISE(ABORT, 'audit_line is append-only'); END"
            )
        for verb, unless in (("UPDATE", "WHEN NEW.last <> OLD.last + 1"), ("DELETE", "")):
            op.execute(
                f"CREATE TRIGGER audit_seal_no_{verb.lower()} BEFORE {verb} ON audit_seal {unless} "
                "BEGIN SELECT RAISE(ABORT, 'audit_seal only counts on'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION audit_line_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'audit_line is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_line "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_line_append_only()"
        )
        op.execute(
            "CREATE FUNCTION audit_seal_counts_on() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF TG_OP = 'UPDATE' AND NEW.last = OLD.last + 1 THEN RETURN NEW; END IF; "
            "RAISE EXCEPTION 'audit_seal only counts on'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_seal_counts_on BEFORE UPDATE OR DELETE ON audit_seal "
            "FOR EACH ROW EXECUTE FUNCTION audit_seal_counts_on()"
        )
"""
DROPPED = """
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_line_append_only() CASCADE")
        op.execute("DROP FUNCTION audit_seal_counts_on() CASCADE")
"""


def main(arguments: list[str]) -> int:
    first = arguments == ["--first"]
    if not first and len(arguments) != 2:
        print(__doc__)
        return 2
    identifier, message = ("0001", "first tables") if first else arguments
    if first:
        for old in (schema.SCRIPTS / "versions").glob("*.py"):
            old.unlink()
    with tempfile.TemporaryDirectory() as place:
        db = Database(f"sqlite:///{Path(place) / 'empty.sqlite3'}")
        if not first:
            schema.migrate(db)
        schema.write_revision(db, message, identifier)
        db.close()
    if first:
        written = schema.SCRIPTS / "versions" / "0001_first_tables.py"
        head, foot = written.read_text(encoding="utf-8").split("\n\n\ndef downgrade")
        written.write_text(f"{head}{TRIGGERS}\n\ndef downgrade{foot}{DROPPED}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
