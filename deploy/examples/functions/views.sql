-- views.sql: calls the functions of example.c: scalar ones in keys, filters and arguments, aggregates over each kind of window.
SET 'table.local-time-zone' = 'UTC';

CREATE TABLE events (
    event_id STRING, host STRING, url STRING, session STRING, seconds DOUBLE, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');

CREATE VIEW sources AS
    SELECT window_start AS minute_start, window_end AS minute_end, window_time, COALESCE(UTM_SOURCE(url), 'none') AS source, COUNT(*) AS hits,
           MAX(PATH_DEPTH(url)) AS deepest, GEOMETRIC_MEAN(seconds) AS mean_seconds, LONGEST(url) AS longest_url
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, window_time, COALESCE(UTM_SOURCE(url), 'none');

CREATE VIEW hosts AS
    SELECT window_start, window_end, host, LONGEST(url) FILTER (WHERE PATH_DEPTH(url) < 3) AS longest_url,
           GEOMETRIC_MEAN(seconds) AS mean_seconds
    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, host;

CREATE VIEW visits AS
    SELECT window_start, window_end, host, COUNT(*) AS hits, LONGEST(url) AS longest_url
    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, host;

-- A session is a number in hexadecimal; an event whose session is none is rejected here, and counts above.
CREATE VIEW threes AS
    SELECT window_start, window_end, host, MAX(HEX_TO_BIGINT(session)) AS last_session, GEOMETRIC_MEAN(seconds) AS mean_seconds
    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '30' SECOND))
    GROUP BY window_start, window_end, host;

-- A view on a view: what the minutes gave is aggregated again.
CREATE VIEW hours AS
    SELECT window_start, window_end, LONGEST(longest_url) AS longest_url, GEOMETRIC_MEAN(mean_seconds) AS mean_of_means
    FROM TABLE(TUMBLE(TABLE sources, DESCRIPTOR(window_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
