-- dup_keys: the last of duplicate keys wins, and is flagged where the key is wanted; the inside of other values is not looked at (semantics.md 9.1; 11, case 22).
CREATE TABLE events (
    url STRING, n INT, headers STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW raw AS SELECT url, n, headers FROM events;
