-- list_measurements --
-- Earlier values of one metric of a dataset, newest first; before $4, and on ISO weekday $5 at offset $6 from UTC.
SELECT metric_identity, value, data_time FROM quality.measurements
WHERE tenant_id = $1 AND dataset_id = $2 AND md5(metric_identity) = md5($3) AND metric_identity = $3
  AND ($4::timestamptz IS NULL OR data_time < $4)
  AND ($5::integer IS NULL OR extract(isodow FROM (data_time AT TIME ZONE 'UTC') + $6::interval) = $5)
ORDER BY data_time DESC LIMIT $7;
