"""The schema of the database: migrations, and their helpers beside Alembic."""
