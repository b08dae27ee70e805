-- views_on_views_lateness: a view on a view with lateness sees a row when it is final, and not what it was before.
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '0' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
SET 'tally.allowed-lateness' = '5 s';
CREATE VIEW tens AS
    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time, host;
SET 'tally.allowed-lateness' = '0 s';
CREATE VIEW busy AS SELECT * FROM tens WHERE hits > 1;
CREATE VIEW halves AS
    SELECT window_start, window_end, SUM(hits) AS hits
    FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(part_time), INTERVAL '20' SECOND))
    GROUP BY window_start, window_end;
