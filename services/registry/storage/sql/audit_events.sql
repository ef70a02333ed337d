-- add_audit_event --
-- Store one event of the transaction's tenant.
INSERT INTO registry.audit_events (
    id, tenant_id, create_time, actor, action, resource_type, resource_id, outcome, remote_address, request_id, before, after
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- list_audit_events --
-- A page of events, newest first, cut after the row that takes it to $10 bytes; `candidates` counts the uncut page.
SELECT *
FROM (
    SELECT candidate.*, count(*) OVER () AS candidates, sum(bytes) OVER (ORDER BY create_time DESC, id DESC) - bytes AS bytes_before
    FROM (
        SELECT *, coalesce(octet_length(before::text), 0) + coalesce(octet_length(after::text), 0) AS bytes
        FROM registry.audit_events
        WHERE ($1 = '' OR actor = $1)
            AND ($2 = '' OR action = $2)
            AND ($3 = '' OR resource_id = $3)
            AND ($4 = '' OR outcome = $4)
            AND ($5::timestamptz IS NULL OR create_time >= $5)
            AND ($6::timestamptz IS NULL OR create_time < $6)
            AND ($7::timestamptz IS NULL OR (create_time, id) < ($7, $8::uuid))
        ORDER BY create_time DESC, id DESC
        LIMIT $9
    ) AS candidate
) AS page
WHERE bytes_before < $10
ORDER BY create_time DESC, id DESC;

-- record_audit_events --
-- Store events of whichever tenant, each once.
SELECT registry.record_audit_events($1);
