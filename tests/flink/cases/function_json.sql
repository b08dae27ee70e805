-- function_json: JSON_VALUE over a column.
CREATE TABLE events (
    host STRING, url STRING, headers STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW kept AS
    SELECT event_time, url, JSON_VALUE(headers, '$.User-Agent') AS agent, JSON_VALUE(headers, 'lax $.a.b[0]' DEFAULT 'none' ON EMPTY) AS deep, JSON_VALUE(headers, '$[''a'']' DEFAULT 'bad' ON ERROR) AS a,
        JSON_VALUE(headers, '$.n' RETURNING INT) AS n, JSON_VALUE(headers, '$.d' RETURNING DOUBLE) AS d, JSON_VALUE(headers, '$.t' RETURNING BOOLEAN) AS t, JSON_VALUE(headers, url) AS by_column
    FROM events;
