-- add_dataset --
-- Store a new dataset.
INSERT INTO registry.datasets (
    id, tenant_id, create_time, name, connection_id, table_name, schema_name, database_name, checks_yaml, drift_yaml, check_count,
    description, owner, tags, variables, samples_limit, excluded_columns, revision, update_time
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19);

-- get_dataset --
-- Read one dataset.
SELECT * FROM registry.datasets WHERE id = $1;

-- lock_dataset --
-- Read one dataset and keep it from being changed or deleted.
SELECT * FROM registry.datasets WHERE id = $1 FOR UPDATE;

-- list_datasets --
-- A page of datasets, oldest first (ids are UUIDv7), cut after the row that takes it to $7 bytes; `candidates` counts the uncut page.
SELECT *
FROM (
    SELECT candidate.*, count(*) OVER () AS candidates, sum(bytes) OVER (ORDER BY id) - bytes AS bytes_before
    FROM (
        SELECT
            *,
            octet_length(checks_yaml) + octet_length(drift_yaml) + octet_length(description)
            + octet_length(variables::text) + coalesce(octet_length(excluded_columns::text), 0) AS bytes
        FROM registry.datasets
        WHERE ($1 = '' OR name = $1)
            AND ($2::uuid IS NULL OR connection_id = $2)
            AND ($3 = '' OR $3 = ANY (tags))
            AND ($4 = '' OR owner = $4)
            AND ($5::uuid IS NULL OR id > $5)
        ORDER BY id
        LIMIT $6
    ) AS candidate
) AS page
WHERE bytes_before < $7
ORDER BY id;

-- count_datasets --
-- How many datasets the tenant has.
SELECT count(*) FROM registry.datasets;

-- first_datasets --
-- The datasets that come first in the alphabet, of all connections or of one.
SELECT id, name FROM registry.datasets WHERE $1::uuid IS NULL OR connection_id = $1 ORDER BY name LIMIT $2;

-- update_dataset --
-- Store a changed dataset.
UPDATE registry.datasets
SET name = $2, connection_id = $3, table_name = $4, schema_name = $5, database_name = $6, checks_yaml = $7, drift_yaml = $8, check_count = $9,
    description = $10, owner = $11, tags = $12, variables = $13, samples_limit = $14, excluded_columns = $15, revision = $16, update_time = $17
WHERE id = $1;

-- remove_dataset --
-- Delete one dataset.
DELETE FROM registry.datasets WHERE id = $1;
