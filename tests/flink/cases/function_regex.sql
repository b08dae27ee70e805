-- function_regex: REGEXP and its like over a column.
CREATE TABLE events (
    host STRING, url STRING, headers STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW kept AS
    SELECT event_time, url, REGEXP(url, '\.(png|jpg)$') AS picture, REGEXP_EXTRACT(url, 'utm_source=([^&]*)', 1) AS campaign,
        REGEXP_EXTRACT(url, '(?i)/SHOP/(\d+)(x)?', 2) AS nothing, REGEXP_REPLACE(url, '/\d+', '/$1') AS shape, REGEXP_SUBSTR(url, '[a-zé]+') AS word,
        REGEXP_COUNT(url, '.') AS signs, REGEXP_INSTR(url, '\?') AS mark, REGEXP_EXTRACT(host, headers, 1) AS by_column, REGEXP_REPLACE(url, 'a*', '-') AS dashes
    FROM events;
