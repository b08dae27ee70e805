-- browsers: a day at a website: people by browser and page group, bots left out, campaigns, and what does not parse, in one file.
-- shuffle 15000
CREATE TABLE events (
    url STRING, ua STRING, ms STRING, ip STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE TEMPORARY VIEW people AS
    SELECT event_time, ip, JSON_VALUE(PARSE_USER_AGENT(ua), '$.family') AS browser, SPLIT_INDEX(url, '/', 1) AS part,
        COALESCE(PARSE_URL('http://x' || url, 'QUERY', 'utm_source'), '-') AS campaign, TRY_CAST(ms AS INT) AS ms
    FROM events WHERE NOT IS_BOT(ua) AND NOT IS_FILE_REQUEST(url);
CREATE VIEW by_browser AS
    SELECT window_start, window_end, browser, UPPER(part) AS part, COUNT(*) AS hits, MAX(ms) AS ms
    FROM TABLE(TUMBLE(TABLE people, DESCRIPTOR(event_time), INTERVAL '20' SECOND))
    GROUP BY window_start, window_end, browser, part;
CREATE VIEW campaigns AS
    SELECT window_start, window_end, campaign, COUNT(DISTINCT MD5(ip)) AS visitors
    FROM TABLE(SESSION(TABLE people PARTITION BY campaign, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end, campaign;
CREATE VIEW slow AS
    SELECT DATE_FORMAT(event_time, 'HH:mm:ss') AS clock, REGEXP_EXTRACT(url, '[0-9]+') AS item, CAST(ms AS INT) AS ms
    FROM events WHERE CAST(ms AS INT) >= 500;
