-- file_requests: IS_FILE_REQUEST sorts pages from files by the ending of the path.
-- shuffle 15000
CREATE TABLE events (
    url STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE TEMPORARY VIEW pages AS SELECT * FROM events WHERE NOT IS_FILE_REQUEST(url);
CREATE VIEW hits AS
    SELECT window_start, window_end, COUNT(*) AS hits
    FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
    GROUP BY window_start, window_end;
CREATE VIEW files AS SELECT url FROM events WHERE IS_FILE_REQUEST(url);
