-- put_profile --
-- Keeps a profile, in place of an earlier one of the same period; answers the id that it has by now.
INSERT INTO drift.profiles (
    id, tenant_id, dataset_id, layout, period, partition_time, row_count, standing, band, backfilled, run_id, create_time, body
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant_id, dataset_id, layout, period) DO UPDATE SET
    partition_time = excluded.partition_time, row_count = excluded.row_count, standing = excluded.standing, band = excluded.band,
    backfilled = excluded.backfilled, run_id = excluded.run_id, create_time = excluded.create_time, body = excluded.body
RETURNING id;

-- add_past_profile --
-- Keeps a profile of a backfill, unless its period is there already.
INSERT INTO drift.profiles (
    id, tenant_id, dataset_id, layout, period, partition_time, row_count, standing, band, backfilled, run_id, create_time, body
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING;

-- set_standing --
-- Sets how a profile stands after the whole history was judged anew.
UPDATE drift.profiles SET standing = $3, band = $4 WHERE tenant_id = $1 AND id = $2;

-- list_profiles --
-- Profiles of a dataset, newest partition first, after the position ($5, $6).
SELECT * FROM drift.profiles
WHERE tenant_id = $1 AND dataset_id = $2
  AND ($3::timestamptz IS NULL OR partition_time >= $3)
  AND ($4::timestamptz IS NULL OR partition_time < $4)
  AND ($5::timestamptz IS NULL OR (partition_time, id) < ($5, $6::uuid))
ORDER BY partition_time DESC, id DESC LIMIT $7;

-- newest_profiles --
-- The newest profiles of a layout, newest first; with $5 only those that later ones are compared with.
SELECT * FROM drift.profiles
WHERE tenant_id = $1 AND dataset_id = $2 AND layout = $3 AND (NOT $5::boolean OR standing IN ('NORMAL', 'ACCEPTED'))
ORDER BY period DESC LIMIT $4;

-- get_profile --
-- One profile.
SELECT * FROM drift.profiles WHERE tenant_id = $1 AND dataset_id = $2 AND id = $3;
