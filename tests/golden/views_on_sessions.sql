-- views_on_sessions: views that read sessions: one that ends exactly where a range does comes with the next.
-- shuffle 30000
CREATE TABLE events (
    host STRING, n INT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW visits AS
    SELECT window_start AS began, window_end AS ended, window_time AS seen, host, COUNT(*) AS hits
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time, host;
CREATE VIEW long_visits AS SELECT * FROM visits WHERE hits > 1;
CREATE VIEW halves AS
    SELECT window_start, window_end, COUNT(*) AS visits, SUM(hits) AS hits
    FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(seen), INTERVAL '30' SECOND))
    GROUP BY window_start, window_end;
