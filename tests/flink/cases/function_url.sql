-- function_url: PARSE_URL, URL_DECODE, URL_ENCODE over a column.
CREATE TABLE events (
    host STRING, url STRING, headers STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW kept AS
    SELECT event_time, url, PARSE_URL(url, 'HOST') AS h, PARSE_URL(url, 'PATH') AS p, PARSE_URL(url, 'QUERY') AS q, PARSE_URL(url, 'REF') AS r, PARSE_URL(url, 'FILE') AS f,
        PARSE_URL(url, 'AUTHORITY') AS a, PARSE_URL(url, 'USERINFO') AS u, PARSE_URL(url, 'PROTOCOL') AS s, PARSE_URL(url, 'QUERY', 'x') AS x, PARSE_URL(url, host) AS by_column,
        URL_DECODE(url) AS decoded, URL_ENCODE(url) AS encoded
    FROM events;
