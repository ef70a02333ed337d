-- get_schedule --
-- The schedule of a dataset.
SELECT * FROM quality.schedules WHERE tenant_id = $1 AND dataset_id = $2;

-- insert_schedule --
-- Sets the first schedule of a dataset; answers nothing when there is one.
INSERT INTO quality.schedules (tenant_id, dataset_id, dataset_name, cron, timezone, paused, kinds, next_run_time)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
RETURNING *;

-- update_schedule --
-- Replaces the schedule of a dataset; answers nothing when there is none, or when it is not at revision $9 any more.
UPDATE quality.schedules SET
    dataset_name = $3, cron = $4, timezone = $5, paused = $6, kinds = $7, next_run_time = $8,
    update_time = now(), revision = revision + 1
WHERE tenant_id = $1 AND dataset_id = $2 AND ($9::bigint IS NULL OR revision = $9)
RETURNING *;

-- delete_schedule --
-- Removes the schedule of a dataset; answers nothing when there is none, or when it is not at revision $3 any more.
DELETE FROM quality.schedules WHERE tenant_id = $1 AND dataset_id = $2 AND ($3::bigint IS NULL OR revision = $3)
RETURNING *;

-- pause_schedule --
-- Switches off the schedule of a dataset that is gone.
UPDATE quality.schedules SET paused = true, next_run_time = NULL, update_time = now(), revision = revision + 1
WHERE tenant_id = $1 AND dataset_id = $2 AND NOT paused
RETURNING dataset_id;

-- lock_due_schedules --
-- Schedules whose time has come, locked until the end of the transaction.
SELECT * FROM quality.lock_due_schedules($1);

-- fire_schedules --
-- Queues the runs of locked schedules and sets when they are due again.
SELECT * FROM quality.fire_schedules($1, $2);
