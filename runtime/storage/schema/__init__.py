"""The schema of the database: migrations, and what they need beside Alembic."""
