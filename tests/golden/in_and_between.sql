-- in_and_between: IN and BETWEEN with NULLs: NOT IN of a list with NULL is never true.
-- shuffle 15000
CREATE TABLE events (
    event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW picked AS SELECT n, n IN (1, 3) AS i, n IN (1, NULL) AS i0, n NOT IN (1, NULL) AS n0, n BETWEEN 2 AND 3 AS b, n NOT BETWEEN 2 AND 3 AS nb FROM events;
