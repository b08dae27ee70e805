// kafka.test.js: straight to a real Kafka (KAFKA_URL), and to one that is not there.
'use strict';

const assert = require('node:assert/strict');
const http = require('node:http');
const { randomUUID } = require('node:crypto');
const { test } = require('node:test');
const express = require('express');
const { Kafka, logLevel } = require('kafkajs');
const tally = require('../lib/index.js');
const { listening, send, until } = require('./support/servers.js');

const brokers = process.env.KAFKA_URL?.split(',');

async function site(options) {
  const middleware = tally({ signals: false, closeMs: 60_000, ...options });
  const server = http.createServer(express().use(middleware).get(/.*/, (req, res) => res.send('ok')));
  return { middleware, port: await listening(server), close: () => server.close() };
}

test('events are in the topic, by their ids', { skip: brokers ? false : 'KAFKA_URL is not set' }, async () => {
  const topic = `express-${randomUUID()}`;
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  const { middleware, port, close } = await site({ kafka: { brokers, topic } });
  for (let i = 0; i < 10; i++) await send(port, { path: `/${i}`, headers: { 'user-agent': 'curl/8.1.2' } });
  await middleware.close();
  assert.equal(middleware.counts().delivered, 10);
  const consumer = kafka.consumer({ groupId: topic });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const got = [];
  await consumer.run({ eachMessage: async ({ message }) => void got.push([message.key.toString(), JSON.parse(message.value.toString())]) });
  await until(() => got.length === 10);
  assert.deepEqual(got.map(([, event]) => event.url).sort(), Array.from({ length: 10 }, (_, i) => `/${i}`));
  for (const [key, event] of got) {
    assert.equal(key, event.event_id);
    assert.equal(JSON.parse(event.user_agent).family, 'curl');
    assert.equal(JSON.parse(event.user_agent).string, 'curl/8.1.2');
  }
  await consumer.disconnect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  close();
});

test('a Kafka that is not there stops nothing', async () => {
  const log = [];
  const { middleware, port, close } = await site({ kafka: { brokers: ['127.0.0.1:1'] }, closeMs: 100, log: (line) => log.push(line) });
  assert.equal((await send(port)).text, 'ok');
  await until(() => log.some((line) => line.includes('127.0.0.1:1 does not take events')));
  await middleware.close();
  assert.deepEqual(middleware.counts(), { received: 1, delivered: 0, rejected: 0, dropped: 1, queued: 0 });
  close();
});
