-- function_build: texts put together, over columns; emoji, accents, empty and missing ones among them.
CREATE TABLE events (
    host STRING, part STRING, place INT, many INT, code BIGINT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW built AS
    SELECT event_time, host || part AS bars, CONCAT(host, part, host) AS c, CONCAT_WS(part, host, part, 'x') AS cw, CONCAT_WS('-', host, part) AS dashed,
           REPLACE(host, part, '<>') AS replaced, REVERSE(host) AS back, INITCAP(host) AS capitals, CHR(code) AS letter
    FROM events;
