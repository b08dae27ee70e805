-- views_reconcile.sql: the views of views.sql, under a watermark that lets none of the benchmarks' events come late.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.dedup.key' = '';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '20' MINUTE
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW hits AS
    SELECT window_start, window_end, host, COUNT(*) AS num_hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host;

CREATE VIEW hits_by_referrer AS
    SELECT window_start, window_end, host, referrer, COUNT(*) AS num_hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host, referrer;
