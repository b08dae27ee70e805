-- aggregate_types: AVG and SUM keep the type: truncated, wrapped (semantics.md 11, case 20).
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW means AS
    SELECT window_start, window_end, host, AVG(status) AS mean, COUNT(status) AS n, AVG(amount) AS mean_amount
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW sums AS
    SELECT window_start, window_end, host, SUM(status) AS total, SUM(amount) AS sum_amount
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
