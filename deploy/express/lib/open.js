// open.js: all that stands behind a middleware, and the end of it: at SIGTERM and SIGINT, and whenever the process ends, what is queued is sent first.
'use strict';

const { trust } = require('./client.js');
const { collectorSink } = require('./collector.js');
const { kafkaSink } = require('./kafka.js');
const { lastWords } = require('./last_words.js');
const { optionsOf } = require('./options.js');
const { Queue } = require('./queue.js');
const { reportOf } = require('./report.js');
const { rulesOf } = require('./rules.js');

const opened = new Set();
let listening = false;

/** A signal ends the process as it would without us. Where somebody else listens, requests may still come, and he says when it ends. */
async function onSignal(signal) {
  const isOurs = process.listenerCount(signal) === 0; // this one has been taken away by now
  for (const tally of opened) tally.queue.hurry();
  if (!isOurs) return;
  await Promise.allSettled([...opened].map((tally) => tally.close()));
  process.kill(process.pid, signal);
}

function listen() {
  if (listening) return;
  listening = true;
  for (const signal of ['SIGTERM', 'SIGINT']) process.prependOnceListener(signal, () => void onSignal(signal));
  process.once('beforeExit', () => [...opened].forEach((tally) => void tally.close()));
  process.once('exit', () => [...opened].forEach((tally) => tally.speak()));
}

function openTally(given) {
  const options = optionsOf(given);
  const report = reportOf(options.log);
  const isTrusted = trust(options.trustProxy);
  const sink = options.kafka === undefined ? collectorSink(options, report) : kafkaSink(options.kafka);
  const queue = new Queue(sink, report, options);
  const tally = {
    rules: rulesOf(options),
    anonymizeIp: options.anonymizeIp,
    answerMs: options.answerMs,
    isTrusted,
    report,
    queue,
    speak() {
      const items = queue.take();
      if (items.length > 0 && !lastWords(options, items, options.closeMs)) report.once(`${items.length} events did not reach the log before the end`);
    },
    async close() {
      await queue.close(options.closeMs);
      opened.delete(tally);
    },
  };
  opened.add(tally);
  if (options.signals) listen();
  return tally;
}

module.exports = { openTally };
