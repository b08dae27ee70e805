-- views_count.sql: every ten requests to a host: few keys, and each has many rows that wait.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.dedup.key' = '';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW tens AS
    SELECT window_start, window_end, host, COUNT(*) AS num_hits
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 10, INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host;
