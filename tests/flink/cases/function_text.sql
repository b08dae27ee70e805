-- function_text: texts cut, found and hashed, over columns; emoji, accents, empty and missing ones among them.
CREATE TABLE events (
    host STRING, part STRING, place INT, many INT, code BIGINT, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW cut AS
    SELECT event_time, SUBSTRING(host, place) AS from_place, SUBSTRING(host, place, many) AS some_of, SUBSTRING(host FROM place FOR 2) AS two,
           SUBSTR(host, 2) AS from_two, LEFT(host, place) AS at_left, RIGHT(host, place) AS at_right,
           SPLIT_INDEX(host, part, many) AS split_by_text, SPLIT_INDEX(host, 46, many) AS split_by_code, SPLIT_INDEX(host, '', 1) AS split_by_space
    FROM events;
CREATE VIEW trimmed AS
    SELECT event_time, TRIM(host) AS bare, TRIM(BOTH part FROM host) AS both_ends, TRIM(LEADING part FROM host) AS from_left, TRIM(TRAILING part FROM host) AS from_right,
           TRIM(LEADING FROM host) AS no_blanks, LTRIM(host) AS l, LTRIM(host, part) AS lp, RTRIM(host) AS r, RTRIM(host, part) AS rp, BTRIM(host, part) AS bp
    FROM events;
CREATE VIEW found AS
    SELECT event_time, POSITION(part IN host) AS p, LOCATE(part, host) AS l, LOCATE(part, host, place) AS lp, INSTR(host, part) AS i, INSTR(host, part, place) AS ip,
           INSTR(host, part, -1, 2) AS i2, CHAR_LENGTH(host) AS cl, CHARACTER_LENGTH(part) AS pl, STARTSWITH(host, part) AS s, ENDSWITH(host, part) AS e, ASCII(host) AS a
    FROM events;
CREATE VIEW hashed AS
    SELECT event_time, MD5(host) AS m, SHA1(host) AS s1, SHA224(host) AS s224, SHA256(host) AS s256, SHA384(host) AS s384, SHA512(host) AS s512,
           SHA2(host, 256) AS s2, HEX(host) AS h, IS_DIGIT(host) AS digit_text, IS_DECIMAL(host) AS decimal_text
    FROM events;
