-- views_serve.sql: what tests/bench/serving.sh looks at: a row a probe, in windows that go by while one looks; and pages, which all requests change.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '2' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '30 s');

CREATE VIEW probes AS
    SELECT window_start, window_end, url, COUNT(*) AS requests
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' SECOND))
    WHERE url LIKE '%/probe-%'
    GROUP BY window_start, window_end, url;

CREATE VIEW hits AS
    SELECT window_start, window_end, host, COUNT(*) AS requests
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, host;
