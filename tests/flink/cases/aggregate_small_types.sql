-- aggregate_small_types: TINYINT and SMALLINT wrap as INT does; FLOAT stays FLOAT.
CREATE TABLE events (
    host STRING, t TINYINT, s SMALLINT, f FLOAT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, host, SUM(t) AS st, AVG(t) AS moment, SUM(s) AS ss, AVG(s) AS as1, SUM(f) AS sf, AVG(f) AS af, MIN(f) AS lo, MAX(t) AS hi, COUNT(DISTINCT f) AS n
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
