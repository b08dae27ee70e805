-- views_freshness.sql: views_dedup.sql, and a row for each probe of bench_freshness. Their windows are of a second, so that who waits for the next
-- ones reads a few rows and not all that were.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
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

CREATE VIEW probes AS
    SELECT window_start, window_end, host, COUNT(*) AS num_hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' SECOND))
    WHERE host LIKE 'probe-%'
    GROUP BY window_start, window_end, host;
