-- insert_message --
-- Writes a message down with the change that it tells of.
INSERT INTO quality.outbox (id, tenant_id, kind, payload) VALUES ($1, $2, $3, $4);

-- take_messages --
-- Takes messages of one kind for relaying, oldest first.
SELECT * FROM quality.take_outbox($1, $2) ORDER BY create_time, id;

-- delete_messages --
-- Forgets messages that were delivered.
SELECT quality.delete_outbox($1);
