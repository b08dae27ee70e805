-- views_on_views_deep: four levels: rows of windows, the best of each window, windows over those.
-- shuffle 15000
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tens AS
    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time, host;
CREATE VIEW busy AS SELECT * FROM tens WHERE hits > 0;
CREATE VIEW best AS
    SELECT part_start, part_end, part_time, MAX(hits) AS best FROM busy GROUP BY part_start, part_end, part_time;
CREATE VIEW minutes AS
    SELECT window_start, window_end, SUM(best) AS s
    FROM TABLE(TUMBLE(TABLE best, DESCRIPTOR(part_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end;
