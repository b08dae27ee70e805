-- views_on_views: views that read a windowed view: rows, groups and windows of every kind over its final rows.
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tens AS
    SELECT window_start AS part_start, window_end AS part_end, window_time AS part_time, host, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time, host;
CREATE VIEW busy AS SELECT * FROM tens WHERE hits > 1;
CREATE VIEW totals AS
    SELECT part_start, part_end, SUM(hits) AS hits, COUNT(*) AS hosts FROM tens GROUP BY part_start, part_end;
CREATE VIEW halves AS
    SELECT window_start, window_end, host, SUM(hits) AS hits, MAX(hits) AS most, COUNT(*) AS parts
    FROM TABLE(TUMBLE(TABLE tens, DESCRIPTOR(part_time), INTERVAL '30' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW runs AS
    SELECT window_start, window_end, host, SUM(hits) AS hits
    FROM TABLE(SESSION(TABLE tens PARTITION BY host, DESCRIPTOR(part_time), INTERVAL '15' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW pairs AS
    SELECT window_start, window_end, host, closed_by, SUM(hits) AS hits
    FROM TABLE(COUNT_WINDOW(TABLE tens PARTITION BY host, DESCRIPTOR(part_time), 2, INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, host, closed_by;
CREATE VIEW hops AS
    SELECT window_start, window_end, SUM(hits) AS hits
    FROM TABLE(HOP(TABLE tens, DESCRIPTOR(part_time), INTERVAL '20' SECOND, INTERVAL '40' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW steps AS
    SELECT window_start, window_end, SUM(hits) AS hits
    FROM TABLE(CUMULATE(TABLE tens, DESCRIPTOR(part_time), INTERVAL '20' SECOND, INTERVAL '40' SECOND))
    GROUP BY window_start, window_end;
