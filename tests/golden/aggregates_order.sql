-- aggregates_order: FIRST_VALUE, LAST_VALUE and LISTAGG go by event time; NULL is skipped, the empty text is not.
-- shuffle 15000
CREATE TABLE events (
    host STRING, s STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tumbles AS
    SELECT window_start, window_end, host, FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS a, LISTAGG(s, '; ') AS b, LISTAGG(DISTINCT s) AS d, FIRST_VALUE(s) FILTER (WHERE s <> 'a') AS ff,
        LAST_VALUE(s) FILTER (WHERE s <> 'a') AS lf
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW hops AS
    SELECT window_start, window_end, host, FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS a, LISTAGG(s, '; ') AS b, LISTAGG(DISTINCT s) AS d, FIRST_VALUE(s) FILTER (WHERE s <> 'a') AS ff,
        LAST_VALUE(s) FILTER (WHERE s <> 'a') AS lf
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW steps AS
    SELECT window_start, window_end, host, FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS a, LISTAGG(s, '; ') AS b, LISTAGG(DISTINCT s) AS d, FIRST_VALUE(s) FILTER (WHERE s <> 'a') AS ff,
        LAST_VALUE(s) FILTER (WHERE s <> 'a') AS lf
    FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS a, LISTAGG(s, '; ') AS b, LISTAGG(DISTINCT s) AS d, FIRST_VALUE(s) FILTER (WHERE s <> 'a') AS ff,
        LAST_VALUE(s) FILTER (WHERE s <> 'a') AS lf
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host;
