-- views.sql: web events from Kafka, each with where it came from, and two aggregates of five minutes, in PostgreSQL.
--
--   tally up --views deploy/examples/processed_events/views.sql --log kafka --store postgresql://localhost/web --places FILE.mmdb
--
-- The brokers and what it takes to log in may come from the command line or the environment as well: --kafka-property
-- bootstrap.servers=..., TALLY_KAFKA_SASL_PASSWORD.
SET 'table.local-time-zone' = 'UTC';
SET 'tally.dead-letter.topic' = 'events.dead';

CREATE TABLE events (
    event_id STRING,
    url STRING,
    referrer STRING,
    user_agent STRING,
    headers STRING,
    host STRING,
    ip STRING,
    event_time STRING,
    event_timestamp AS TO_TIMESTAMP(event_time, 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z'''),
    WATERMARK FOR event_timestamp AS event_timestamp - INTERVAL '15' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = 'events',
    'properties.bootstrap.servers' = 'localhost:9092',
    'properties.group.id' = 'tally',
    'scan.startup.mode' = 'earliest-offset',
    'format' = 'json'
);

-- A row for each event.
CREATE VIEW processed_events AS
    SELECT ip, event_timestamp, referrer, host, url, GET_LOCATION(ip) AS geodata
    FROM events;

CREATE VIEW processed_events_aggregated AS
    SELECT window_start AS event_hour, host, COUNT(*) AS num_hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_timestamp), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host;

CREATE VIEW processed_events_aggregated_source AS
    SELECT window_start AS event_hour, host, referrer, COUNT(*) AS num_hits
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_timestamp), INTERVAL '5' MINUTE))
    GROUP BY window_start, window_end, host, referrer;
