-- time_outside: a computed time that no text can say is none; a watermark beyond the calendar stands at its end, and then all is late.
CREATE TABLE events (
    days BIGINT, event_time TIMESTAMP(3), ts AS CASE WHEN days = 1 THEN event_time - INTERVAL '9999999999' DAY(10) ELSE event_time END,
    WATERMARK FOR ts AS CASE WHEN days = 2 THEN ts + INTERVAL '9999999999' DAY(10) + INTERVAL '9999999999' DAY(10) ELSE ts END
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
