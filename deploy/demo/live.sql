-- live.sql: what the first part of the demo counts, while the requests come in. Windows are short, so that they move while one looks.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.batch-grace' = '1 s';

CREATE TABLE events (
    event_id STRING, url STRING, referrer STRING, user_agent STRING, headers STRING,
    host STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    `method` STRING, status INT, duration_ms BIGINT, `bytes` BIGINT,
    WATERMARK FOR event_time AS event_time - INTERVAL '2' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = 'localhost:9092',
        'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');

-- What people look at, without crawlers; VISITOR_ID keeps no address.
CREATE VIEW page_views_10s AS
    SELECT window_start, window_end, host, COUNT(*) AS page_views, COUNT(DISTINCT VISITOR_ID(ip, user_agent, host)) AS visitors
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    WHERE `method` = 'GET' AND status = 200 AND NOT IS_BOT(user_agent)
    GROUP BY window_start, window_end, host;

-- What is read, and where readers come from. Files are not pages.
CREATE TEMPORARY VIEW pages AS
    SELECT event_time, host, REGEXP_EXTRACT(url, '^[^?#]*', 0) AS page, REFERRER_DOMAIN(referrer) AS referrer, VISITOR_ID(ip, user_agent, host) AS visitor
    FROM events
    WHERE `method` = 'GET' AND status = 200 AND NOT IS_BOT(user_agent) AND NOT IS_FILE_REQUEST(url);

CREATE VIEW pages_10s AS
    SELECT window_start, window_end, page, COUNT(*) AS page_views
    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, page;

CREATE VIEW referrers_10s AS
    SELECT window_start, window_end, COALESCE(referrer, 'none') AS referrer, COUNT(*) AS page_views
    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, COALESCE(referrer, 'none');

-- A visit is over when nothing has been read for ten seconds; a real one would be given half an hour.
CREATE VIEW sessions AS
    SELECT window_start, window_end, visitor, COUNT(*) AS page_views
    FROM TABLE(SESSION(TABLE pages PARTITION BY visitor, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, visitor;

-- What the site did.
CREATE VIEW answers_10s AS
    SELECT window_start, window_end, `method`, status, COUNT(*) AS requests, MAX(duration_ms) AS slowest_ms
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, `method`, status;
