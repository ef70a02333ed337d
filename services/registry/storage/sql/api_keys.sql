-- add_api_key --
-- Store a new key.
INSERT INTO registry.api_keys (id, tenant_id, name, role, key_hash, create_time, expire_time, revoke_time, last_use_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- lock_api_key --
-- Read one key and keep it from being changed.
SELECT * FROM registry.api_keys WHERE id = $1 FOR UPDATE;

-- list_api_keys --
-- A page of keys, oldest first (ids are UUIDv7).
SELECT * FROM registry.api_keys WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2;

-- update_api_key --
-- Store a changed key.
UPDATE registry.api_keys SET revoke_time = $2 WHERE id = $1;

-- find_api_key --
-- Read a key of whichever tenant.
SELECT * FROM registry.find_api_key($1);

-- note_key_uses --
-- Set when keys were last used.
SELECT registry.note_key_uses($1, $2);
