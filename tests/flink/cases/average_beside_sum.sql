-- average_beside_sum: AVG(INT) is of the exact sum, also where SUM and COUNT of the column stand beside it.
-- deviates: Flink then makes AVG of the wrapped SUM, and of the right one where either is not selected
CREATE TABLE events (
    host STRING, ip STRING, url STRING, status INT, amount BIGINT, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW v AS
    SELECT window_start, window_end, AVG(status) AS mean, SUM(status) AS total, COUNT(status) AS n
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
