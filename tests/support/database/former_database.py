"""A database as the former system left it: edited action types, other ids, three sellers."""

ACTION_TYPES = """
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
"""

ADOPTED = """
    CREATE TABLE public.marketplace_action_types (
        id serial PRIMARY KEY, marketplace varchar(50) NOT NULL, code varchar(50) NOT NULL,
        name varchar(100) NOT NULL, description text, priority int DEFAULT 3,
        is_batch boolean DEFAULT false, rate_limit_ms int DEFAULT 2000, max_retries int DEFAULT 3,
        timeout_seconds int DEFAULT 60, created_at timestamptz DEFAULT now(),
        UNIQUE (marketplace, code));
    INSERT INTO public.marketplace_action_types (id, marketplace, code, name) VALUES
        (4, 'vinted', 'sync', 'Sync'), (11, 'vinted', 'publish', 'Publish');
"""
"""A unified table that was there already: 4 and 11 the other way round, so that ids change."""


def seller(schema: str, *, refers: bool) -> str:
    """A seller's schema; ``refers``: its tables say what their action types refer to."""
    key = "REFERENCES vinted.action_types (id)" if refers else ""
    return f"""
    CREATE SCHEMA {schema};
    CREATE TYPE {schema}.job_status AS ENUM (
        'pending', 'running', 'paused', 'completed', 'failed', 'cancelled', 'expired');
    CREATE TABLE {schema}.batch_jobs (
        id serial PRIMARY KEY, batch_id varchar(36), marketplace varchar(50), action_code
        varchar(50), status varchar(20), priority int, total_count int, completed_count int,
        failed_count int, created_by_user_id int, created_at timestamptz DEFAULT now(),
        started_at timestamptz, completed_at timestamptz);
    CREATE TABLE {schema}.marketplace_jobs (
        id serial PRIMARY KEY, marketplace varchar(50) NOT NULL, action_type_id int NOT NULL {key},
        product_id int, batch_job_id int REFERENCES {schema}.batch_jobs (id),
        status {schema}.job_status NOT NULL DEFAULT 'pending', priority int, input_data json,
        result_data jsonb, error_message text, retry_count int DEFAULT 0, max_retries int,
        idempotency_key varchar(64), created_at timestamptz NOT NULL DEFAULT now(),
        started_at timestamptz, completed_at timestamptz, expires_at timestamptz);
    """


def jobs_in_every_status(schema: str) -> str:
    """Nine jobs, ids 1 to 9, and two batches: one that is over, one that never closed."""
    return f"""
    INSERT INTO {schema}.batch_jobs
        (id, marketplace, action_code, status, priority, total_count, completed_count, created_at,
         completed_at)
    VALUES (1, 'vinted', 'publish', 'completed', 3, 1, 1, now() - interval '3 hours',
            now() - interval '2 hours'),
           (2, 'vinted', 'publish', 'running', 2, 2, 0, now() - interval '2 hours', NULL);
    INSERT INTO {schema}.marketplace_jobs
        (id, marketplace, action_type_id, batch_job_id, status, priority, input_data, result_data,
         error_message, retry_count, max_retries, idempotency_key, created_at, started_at,
         completed_at, expires_at)
    VALUES
    (1, 'vinted', 11, NULL, 'pending', 2, '{{"page": 1}}', NULL, NULL, 0, 7, 'nightly',
     now() - interval '10 minutes', NULL, NULL, now() + interval '50 minutes'),
    (2, 'vinted', 11, NULL, 'pending', NULL, NULL, NULL, NULL, 0, NULL, NULL,
     now() - interval '3 hours', NULL, NULL, now() - interval '2 hours'),
    (3, 'vinted', 4, NULL, 'running', 1, '{{"product": {{"sku": "A-1", "title": "Jeans",
     "price": "5"}}}}', NULL, NULL, 1, 3, NULL, now() - interval '1 hour',
     now() - interval '50 minutes', NULL, NULL),
    (4, 'vinted', 30, NULL, 'paused', 4, '{{}}', NULL, NULL, 0, 3, NULL,
     now() - interval '1 hour', NULL, NULL, NULL),
    (5, 'vinted', 4, 1, 'completed', 3, '{{}}', '{{"success": true, "listing": 77}}', NULL, 0, 3,
     NULL, now() - interval '3 hours', now() - interval '150 minutes', now() - interval '2 hours',
     NULL),
    (6, 'vinted', 4, 2, 'failed', 3, '{{}}', NULL, 'Plugin command timeout after 300s', 3, 3, NULL,
     now() - interval '2 hours', now() - interval '110 minutes', now() - interval '100 minutes',
     NULL),
    (7, 'vinted', 4, 2, 'expired', 3, '{{}}', NULL, NULL, 0, 3, NULL,
     now() - interval '2 hours', NULL, now() - interval '1 hour', now() - interval '1 hour'),
    (8, 'ebay', 8, NULL, 'cancelled', 3, '{{}}', NULL, NULL, 0, 3, NULL,
     now() - interval '2 hours', NULL, now() - interval '1 hour', NULL),
    (9, 'ebay', 8, NULL, 'pending', 3, '{{}}', NULL, NULL, 0, 3, NULL,
     now() - interval '1 minute', NULL, NULL, NULL);
    SELECT setval(pg_get_serial_sequence('{schema}.marketplace_jobs', 'id'), 9);
    """


def former_database() -> str:
    """All of it: the action types, a unified table whose ids collide, and three sellers.

    The second seller's table says nothing of what its action types refer to.
    """
    schemas = {"user_1": True, "user_2": False, "user_37": True}
    return (
        ACTION_TYPES
        + ADOPTED
        + "".join(
            seller(name, refers=refers) + jobs_in_every_status(name)
            for name, refers in schemas.items()
        )
    )
