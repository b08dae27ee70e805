-- shop.sql: what the dashboard's tests count of a small shop: something for each of its panels.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.batch-grace' = '1 s';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, host STRING, ip STRING, event_time TIMESTAMP_LTZ(3), status INT, duration_ms BIGINT, `bytes` BIGINT,
    WATERMARK FOR event_time AS event_time - INTERVAL '2' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601', 'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.idle-timeout' = '5 s');

CREATE TEMPORARY VIEW people AS
    SELECT event_time, host, url AS page, referrer, VISITOR_ID(ip, user_agent, host) AS visitor
    FROM events
    WHERE NOT IS_BOT(user_agent) AND NOT IS_FILE_REQUEST(url);

CREATE VIEW requests_5s AS
    SELECT window_start, window_end, host, COUNT(*) AS requests, COUNT(DISTINCT VISITOR_ID(ip, user_agent, host)) AS visitors, SUM(`bytes`) AS bytes_sent, MAX(duration_ms) AS slowest_ms
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '5' SECOND))
    GROUP BY window_start, window_end, host;
CREATE VIEW pages_1m AS
    SELECT window_start, window_end, page, COUNT(*) AS page_views
    FROM TABLE(TUMBLE(TABLE people, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, page;
CREATE VIEW referrers_1m AS
    SELECT window_start, window_end, referrer, COUNT(*) AS page_views
    FROM TABLE(TUMBLE(TABLE people, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, referrer;
CREATE VIEW answers_1m AS
    SELECT window_start, window_end, status, COUNT(*) AS answers
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, status;
CREATE VIEW sessions AS
    SELECT window_start, window_end, visitor, COUNT(*) AS pages
    FROM TABLE(SESSION(TABLE people PARTITION BY visitor, DESCRIPTOR(event_time), INTERVAL '15' MINUTE))
    GROUP BY window_start, window_end, visitor;
CREATE VIEW checkout AS
    SELECT window_start, window_end, visitor, WINDOW_FUNNEL(INTERVAL '1' HOUR, event_time, page LIKE '/c/%', page LIKE '/p/%', page LIKE '/cart%') AS reached
    FROM TABLE(SESSION(TABLE people PARTITION BY visitor, DESCRIPTOR(event_time), INTERVAL '15' MINUTE))
    GROUP BY window_start, window_end, visitor;
CREATE VIEW traffic_1h AS
    SELECT window_start, window_end, COUNT(*) AS requests, SUM(`bytes`) AS bytes_sent
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end;
CREATE VIEW server_errors AS
    SELECT event_time, status, url, user_agent FROM events WHERE status >= 500;
