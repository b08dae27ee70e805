-- like: LIKE is case-sensitive, % takes a newline and _ does not, there is no escape unless ESCAPE says one (semantics.md 8; 11, case 23).
-- shuffle 15000
CREATE TABLE events (
    s STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW liked AS SELECT s, s LIKE 'a_b' AS one, s LIKE 'a%b' AS many, s LIKE 'A%' AS big, s LIKE '100\%' AS slash, s LIKE '100!%' ESCAPE '!' AS sign FROM events;
