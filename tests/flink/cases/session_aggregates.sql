-- session_aggregates: what sessions merge: every aggregate that can.
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW sessions AS
    SELECT window_start, window_end, host, COUNT(*) AS hits, COUNT(DISTINCT url) AS urls, SUM(amount) AS amount, SUM(DISTINCT amount) AS different, MIN(url) AS lo, MAX(url) AS hi, AVG(seconds) AS mean, STDDEV_POP(seconds) AS dev, VAR_SAMP(seconds) AS var, PERCENTILE(seconds, 0.5) AS median
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
