CREATE TABLE t (a STRING, b STRING, n INT, at TIMESTAMP(3), ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts);
CREATE VIEW v AS SELECT CONCAT(a, '-', b) AS c, REPLACE(a, 'x', 'y') AS d, REGEXP_EXTRACT(a, '(\d+)-(\w*)', 2) AS e, REGEXP_REPLACE(b, '[aeiou]+?', '_') AS f,
SPLIT_INDEX(a, ',', 1) AS g, CHAR_LENGTH(b) AS h, PARSE_URL(a, 'QUERY', 'x') AS i, MD5(a) AS j, SHA256(b) AS k, DATE_FORMAT(at, 'yyyy-MM-dd HH:mm') AS l,
TO_TIMESTAMP(a, 'yyyy-MM-dd''T''HH:mm:ss') AS m, a || b AS o FROM t
