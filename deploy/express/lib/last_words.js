// last_words.js: what is still queued when the process ends by process.exit() or an uncaught error: nothing asynchronous runs any more, so another
// Node sends it while this one waits, for a bounded time.
'use strict';

const { spawnSync } = require('node:child_process');
const { batchSize } = require('./queue.js');

/** `items`: the queue's. false: they have not all arrived. */
function lastWords(options, items, patienceMs) {
  const { collect, token, kafka } = options;
  const input = JSON.stringify({ collect, token, kafka, items });
  const child = spawnSync(process.execPath, [__filename], { input, timeout: patienceMs, stdio: ['pipe', 'ignore', 'ignore'], env: { PATH: process.env.PATH } });
  return child.status === 0;
}

async function speak() {
  const { collectorSink } = require('./collector.js');
  const { kafkaSink } = require('./kafka.js');
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  const { items, ...options } = JSON.parse(Buffer.concat(parts).toString());
  const sink = options.kafka === undefined ? collectorSink(options, { once() {} }) : kafkaSink(options.kafka);
  while (items.length > 0) await sink.send(items.splice(0, batchSize(items)).map((item) => item.text));
  process.exit(0);
}

if (require.main === module) speak().catch(() => process.exit(1));

module.exports = { lastWords };
