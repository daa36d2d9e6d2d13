"""Changes databases for tests of the migrations, and says what they expect to find."""

from typing import Any

from alembic import command
from sqlalchemy import text

from runtime.storage.schema import migrator
from runtime.storage.schema.migrator import migrate
from runtime.storage.server.engine import Database

VINTED = [
    ("message", "Respond to message", "Reply to Vinted buyer messages", 1, False, 1000, 3, 30),
    ("orders", "Fetch orders", "Retrieve new orders/sales from Vinted", 3, True, 1500, 3, 60),
    ("publish", "Publish product", "Create a new listing on Vinted", 3, False, 2500, 3, 120),
    ("update", "Update product", "Modify price, description, photos", 3, False, 2000, 3, 60),
    ("delete", "Delete product", "Remove listing from Vinted", 4, False, 2000, 3, 30),
    ("sync", "Sync products", "Synchronize all products with Vinted", 4, True, 1500, 3, 300),
    (
        "link_product",
        "Link Product",
        "Link VintedProduct to Product and download images",
        *(3, False, 500, 3, 120),
    ),
]
EBAY = [
    (
        "publish",
        "Publish Product",
        "Create inventory item and offer on eBay",
        *(3, False, 1000, 3, 60),
    ),
    ("update", "Update Product", "Update existing eBay listing", 3, False, 1000, 3, 60),
    ("delete", "Delete Product", "Delete/end eBay listing", 3, False, 1000, 3, 60),
    ("sync", "Sync Products", "Sync all products from eBay inventory", 2, True, 2000, 3, 300),
    ("sync_orders", "Sync Orders", "Sync orders from eBay", 2, True, 2000, 3, 300),
]
ETSY = [
    ("publish", "Publish Product", "Create listing on Etsy", 3, False, 1000, 3, 60),
    ("update", "Update Product", "Update existing Etsy listing", 3, False, 1000, 3, 60),
    ("delete", "Delete Product", "Delete/deactivate Etsy listing", 3, False, 1000, 3, 60),
    ("sync", "Sync Products", "Sync all products from Etsy shop", 2, True, 2000, 3, 300),
    ("sync_orders", "Sync Orders", "Sync orders from Etsy", 2, True, 2000, 3, 300),
]

LEGACY = """
    CREATE SCHEMA vinted;
    CREATE TABLE vinted.action_types (
        id serial PRIMARY KEY, code varchar(50) NOT NULL UNIQUE, name varchar(100) NOT NULL,
        description text, priority int DEFAULT 3, is_batch boolean DEFAULT false,
        rate_limit_ms int DEFAULT 2000, max_retries int DEFAULT 3, timeout_seconds int DEFAULT 60,
        created_at timestamptz DEFAULT now());
    INSERT INTO vinted.action_types VALUES
        (11, 'sync', 'Sync my closet', 'edited', 2, true, 9000, 7, 900, '2025-05-05 05:05Z'),
        (4, 'publish', 'Publish product', 'Create a new listing on Vinted', 3, false, 2500, 3, 120,
         now()),
        (30, 'relist', 'Relist', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (8, 'sync_orders_ebay', 'Sync eBay orders', 'misplaced', 1, true, 4000, 3, 300, now());
    CREATE SCHEMA user_1;
    CREATE TABLE user_1.marketplace_jobs (
        id serial PRIMARY KEY,
        action_type_id int NOT NULL CONSTRAINT "Points at" REFERENCES vinted.action_types (id)
            ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO user_1.marketplace_jobs (action_type_id) VALUES (11), (4), (30), (8), (11);
    CREATE SCHEMA "User 2";
    CREATE TABLE "User 2"."Jobs" ("Action" int REFERENCES vinted.action_types ON DELETE SET NULL);
    INSERT INTO "User 2"."Jobs" VALUES (8), (NULL);
"""

ACTIONS_OF_JOBS = """
    SELECT job.id, type.marketplace, type.code
    FROM user_1.marketplace_jobs job JOIN {table} type ON type.id = job.action_type_id ORDER BY 1
"""


def run(database: Database, script: str) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql(script.replace("%", "%%"))


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def up(database: Database) -> list[str]:
    lines: list[str] = []
    migrate(database, lines.append)
    return lines


def down(database: Database, revision: str) -> list[str]:
    lines: list[str] = []
    configuration = migrator._configuration()
    with database.engine.connect() as connection:
        configuration.attributes["connection"] = connection
        configuration.attributes["report"] = lines.append
        command.downgrade(configuration, revision)
    return lines


def tables(database: Database) -> list[tuple[Any, ...]]:
    return rows(
        database,
        "SELECT schemaname, tablename FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    )
