-- put_finding --
-- Keeps a finding. Found again in the same period it keeps id, time and feedback, and has the newest figures.
INSERT INTO drift.findings (
    id, tenant_id, dataset_id, profile_id, run_id, identity, kind, severity, content, plots, baseline_version, partition_time, create_time
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (tenant_id, dataset_id, identity) DO UPDATE SET
    severity = excluded.severity, content = excluded.content, plots = excluded.plots, baseline_version = excluded.baseline_version
RETURNING id;

-- list_findings --
-- Findings newest first without plots, after the position ($8, $9); NULL filters match any.
SELECT id, dataset_id, profile_id, run_id, kind, severity, content, '[]' AS plots, baseline_version, partition_time, create_time, feedback
FROM drift.findings
WHERE tenant_id = $1
  AND ($2::uuid IS NULL OR dataset_id = $2)
  AND ($3::text IS NULL OR kind = $3)
  AND ($4::text IS NULL OR severity = $4)
  AND ($5::timestamptz IS NULL OR create_time >= $5)
  AND ($6::timestamptz IS NULL OR create_time < $6)
  AND ($7::uuid IS NULL OR run_id = $7 OR id = ANY (
      (SELECT finding_ids FROM drift.evaluations e WHERE e.tenant_id = $1 AND e.run_id = $7)::uuid[]))
  AND ($8::timestamptz IS NULL OR (create_time, id) < ($8, $9::uuid))
ORDER BY create_time DESC, id DESC LIMIT $10;

-- get_finding --
-- One finding with its plots.
SELECT * FROM drift.findings WHERE tenant_id = $1 AND id = $2;

-- get_findings --
-- Findings by id, without plots.
SELECT id, dataset_id, profile_id, run_id, kind, severity, content, '[]' AS plots, baseline_version, partition_time, create_time, feedback
FROM drift.findings WHERE tenant_id = $1 AND id = ANY ($2::uuid[]);

-- insert_feedback --
-- Keeps what somebody said about a finding.
INSERT INTO drift.feedback (id, tenant_id, finding_id, verdict, comment, author, create_time) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- set_feedback --
-- Shows the newest feedback with its finding.
UPDATE drift.findings SET feedback = $3 WHERE tenant_id = $1 AND id = $2
RETURNING *;

-- list_feedback --
-- All that was said about the findings of a dataset, oldest first.
SELECT f.id, f.dataset_id, f.profile_id, f.run_id, f.kind, f.severity, f.content, '[]' AS plots, f.baseline_version, f.partition_time,
       f.create_time, f.feedback, b.verdict, b.comment, b.author, b.create_time AS said_time
FROM drift.feedback b JOIN drift.findings f ON f.tenant_id = b.tenant_id AND f.id = b.finding_id
WHERE b.tenant_id = $1 AND f.dataset_id = $2 ORDER BY b.create_time, b.id LIMIT 1000;
