-- add_connection --
-- Store a new connection.
INSERT INTO registry.connections (
    id, tenant_id, name, description, kind, settings, secret_kind, secret_version, sealed_secret, revision, create_time, update_time
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- get_connection --
-- Read one connection.
SELECT * FROM registry.connections WHERE id = $1;

-- find_connection --
-- Read the connection with a name.
SELECT * FROM registry.connections WHERE name = $1;

-- lock_connection --
-- Read one connection and keep it from being changed, deleted or newly referred to.
SELECT * FROM registry.connections WHERE id = $1 FOR UPDATE;

-- list_connections --
-- A page of connections, oldest first (ids are UUIDv7).
SELECT *
FROM registry.connections
WHERE ($1 = '' OR name = $1) AND ($2::uuid IS NULL OR id > $2)
ORDER BY id
LIMIT $3;

-- first_connections --
-- The connections that come first in the alphabet.
SELECT id, name FROM registry.connections ORDER BY name LIMIT $1;

-- update_connection --
-- Store a changed connection.
UPDATE registry.connections
SET name = $2, description = $3, settings = $4, secret_kind = $5, secret_version = $6, sealed_secret = $7, revision = $8, update_time = $9
WHERE id = $1;

-- remove_connection --
-- Delete one connection.
DELETE FROM registry.connections WHERE id = $1;
