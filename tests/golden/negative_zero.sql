-- negative_zero: a column of a windowed view is 0 where it comes to -0, so that a view on it sees what the store gives back.
CREATE TABLE events (
    x DOUBLE, event_time TIMESTAMP(3), WATERMARK FOR event_time AS event_time
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW least AS
    SELECT window_start AS s, window_end AS e, window_time AS t, MIN(x) AS m
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, window_time;
CREATE VIEW texts AS
    SELECT window_start, window_end, MAX(CAST(m AS STRING)) AS m
    FROM TABLE(TUMBLE(TABLE least, DESCRIPTOR(t), INTERVAL '20' SECOND))
    GROUP BY window_start, window_end;
