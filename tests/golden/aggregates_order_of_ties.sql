-- aggregates_order_of_ties: of one time, what came first in the log is first: partition, offset, row of the message.
CREATE TABLE events (
    host STRING, s STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW tumbles AS
    SELECT window_start, window_end, host, FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS a, LISTAGG(s, '; ') AS b, LISTAGG(DISTINCT s) AS d, FIRST_VALUE(s) FILTER (WHERE s <> 'a') AS ff,
        LAST_VALUE(s) FILTER (WHERE s <> 'a') AS lf
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW visits AS
    SELECT window_start, window_end, host, FIRST_VALUE(s) AS f, LAST_VALUE(s) AS l, LISTAGG(s) AS a, LISTAGG(s, '; ') AS b, LISTAGG(DISTINCT s) AS d, FIRST_VALUE(s) FILTER (WHERE s <> 'a') AS ff,
        LAST_VALUE(s) FILTER (WHERE s <> 'a') AS lf
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host;
