-- function_math: numbers rounded, compared and written, powers and angles, over columns of each width; missing ones among them. (Flink fails where TRUNCATE is given 1e20.)
CREATE TABLE events (
    tiny TINYINT, small SMALLINT, n INT, big BIGINT, f FLOAT, d DOUBLE, x DOUBLE, digits INT, host STRING, event_time TIMESTAMP_LTZ(3),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601',
        'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW rounded AS
    SELECT event_time, ROUND(tiny, digits) AS rt, ROUND(small, digits) AS rs, ROUND(n, digits) AS rn, ROUND(big, digits) AS rb, ROUND(f, digits) AS rf,
           ROUND(d, digits) AS rd, ROUND(d) AS rd0, TRUNCATE(n, digits) AS tn, TRUNCATE(big, digits) AS tb, TRUNCATE(f, digits) AS tf, TRUNCATE(d, digits) AS td,
           FLOOR(tiny) AS ft, FLOOR(d) AS fd, FLOOR(f) AS ff, CEIL(d) AS cd, CEILING(n) AS cn, SIGN(n) AS sn, SIGN(big) AS sb, SIGN(f) AS sf, SIGN(d) AS sd
    FROM events;
CREATE VIEW divided AS
    SELECT event_time, MOD(tiny, 3) AS m1, MOD(big, 7) AS m2, MOD(n, CAST(-3 AS TINYINT)) AS m3, MOD(n, big) AS m4, MOD(small, CAST(5 AS BIGINT)) AS m5
    FROM events WHERE big <> 0;
CREATE VIEW chosen AS
    SELECT event_time, GREATEST(tiny, small, n) AS g1, GREATEST(n, big, d) AS g2, GREATEST(f, n) AS g3, LEAST(d, x) AS l1, LEAST(tiny, big) AS l2,
           LEAST(host, 'm') AS l3, GREATEST(host, 'm', 'n') AS g4, BIN(tiny) AS b1, BIN(big) AS b2, HEX(n) AS h1, HEX(big) AS h2
    FROM events;
CREATE VIEW powers AS
    SELECT event_time, POWER(n, 3) AS p1, POWER(ABS(d), x) AS p2, SQRT(ABS(d)) AS s, EXP(x) AS e, LN(ABS(d) + 1) AS ln1, LOG(ABS(d) + 1) AS lg, LOG(3, ABS(d) + 1) AS l3,
           LOG10(ABS(d) + 1) AS l10, LOG2(ABS(d) + 1) AS l2, PI() AS pi1, E() AS e1
    FROM events;
CREATE VIEW angles AS
    SELECT event_time, SIN(x) AS s, COS(x) AS c, TAN(x) AS t, COT(x + 0.1E0) AS ct, ASIN(x / 100) AS a_s, ACOS(x / 100) AS a_c, ATAN(x) AS a_t, ATAN2(x, d) AS a2,
           SINH(x) AS sh, COSH(x) AS ch, TANH(x) AS th, DEGREES(x) AS dg, RADIANS(x) AS rd
    FROM events;
