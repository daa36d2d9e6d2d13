"""The steps that make the tables, in order; run by Alembic."""
