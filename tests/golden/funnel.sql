-- funnel: WINDOW_FUNNEL: the longest chain of steps within ten seconds of the first; NULL meets no step.
-- shuffle 30000
CREATE TABLE events (
    host STRING, page STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '30' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW funnels AS
    SELECT window_start, window_end, host, WINDOW_FUNNEL(INTERVAL '10' SECOND, event_time, page = 'cart', page = 'pay', page = 'done') AS reached
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '30' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW hops AS
    SELECT window_start, window_end, host, WINDOW_FUNNEL(INTERVAL '10' SECOND, event_time, page = 'cart', page = 'pay', page = 'done') AS reached
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, WINDOW_FUNNEL(INTERVAL '10' SECOND, event_time, page = 'cart', page = 'pay', page = 'done') AS reached
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '15' SECOND))
    GROUP BY window_start, window_end, host;
