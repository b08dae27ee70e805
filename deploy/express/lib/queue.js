// queue.js: events on their way from the requests to the log: bounded, in order, sent in batches in the background.
//
//     received = delivered + rejected + dropped + queued        at every moment
//
// Events are kept as the JSON that they will be sent as: that is what their memory is. A sink has send(texts) -> {delivered, rejected}, and throws where
// the batch is to be sent again; close().
'use strict';

const BATCH_EVENTS = 500;
const BATCH_BYTES = 240 * 1024; // a collector takes 256 KiB
const LINGER_MS = 100;
const RETRY_FIRST_MS = 100;
const RETRY_LAST_MS = 10_000;

/** How many of them go in one batch: at least one. */
function batchSize(items) {
  let count = 0;
  for (let bytes = 0; count < items.length && count < BATCH_EVENTS; count++) {
    bytes += items[count].bytes;
    if (bytes > BATCH_BYTES && count > 0) break;
  }
  return count;
}

class Queue {
  #sink;
  #report;
  #max;
  #items = []; // {text, bytes}; the first are being sent
  #bytes = 0;
  #timer = null;
  #sending = null; // the promise of the loop
  #wake = null; // ends the wait between two tries
  #closing = null;
  #lingerMs = LINGER_MS;
  #counts = { received: 0, delivered: 0, rejected: 0, dropped: 0 };

  constructor(sink, report, { maxEvents, maxBytes }) {
    this.#sink = sink;
    this.#report = report;
    this.#max = { events: maxEvents, bytes: maxBytes };
  }

  counts() {
    return { ...this.#counts, queued: this.#items.length };
  }

  /** Never waits, never throws. */
  put(event) {
    const text = JSON.stringify(event);
    const bytes = Buffer.byteLength(text) + 1;
    this.#counts.received++;
    if (this.#closing !== null) {
      this.#counts.dropped++;
      return;
    }
    if (this.#items.length >= this.#max.events || this.#bytes + bytes > this.#max.bytes) {
      this.#counts.dropped++;
      this.#report.once(`the queue is full (${this.#items.length} events): what comes now is dropped and counted`);
      return;
    }
    this.#items.push({ text, bytes });
    this.#bytes += bytes;
    if (this.#sending !== null || this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#send(), this.#lingerMs);
    this.#timer.unref();
  }

  /** Sends what is there now. */
  flush() {
    this.#wake?.();
    return this.#send();
  }

  /** The process will end soon: what comes is sent at once. */
  hurry() {
    this.#lingerMs = 0;
    void this.flush();
  }

  /** All that is queued, for whoever else will send it. */
  take() {
    const items = this.#items;
    this.#items = [];
    this.#bytes = 0;
    return items;
  }

  /** Gives what is in the queue up to patienceMs to reach the log; what is left then is dropped, and counted. */
  close(patienceMs) {
    this.#closing ??= this.#end(patienceMs);
    return this.#closing;
  }

  async #end(patienceMs) {
    let timer;
    const over = new Promise((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    await Promise.race([this.flush(), over]);
    clearTimeout(timer);
    this.#counts.dropped += this.#items.length;
    if (this.#items.length > 0) this.#report.once(`${this.#items.length} events did not reach the log before the end`);
    this.#items = [];
    this.#bytes = 0;
    this.#wake?.();
    await this.#sink.close();
  }

  #send() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#sending ??= this.#loop().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #loop() {
    let waitMs = RETRY_FIRST_MS;
    while (this.#items.length > 0) {
      const batch = this.#items.slice(0, batchSize(this.#items));
      try {
        const { delivered, rejected } = await this.#sink.send(batch.map((item) => item.text));
        this.#take(batch, delivered, rejected);
        this.#report.state(null);
        waitMs = RETRY_FIRST_MS;
      } catch (error) {
        this.#report.state(`${error.message}; events wait, up to ${this.#max.events}`);
        await this.#pause(waitMs * (0.5 + Math.random() / 2));
        waitMs = Math.min(waitMs * 2, RETRY_LAST_MS);
      }
    }
  }

  #take(batch, delivered, rejected) {
    if (this.#items[0] !== batch[0]) return; // the end came while it was under way, and has counted them
    this.#items.splice(0, batch.length);
    for (const item of batch) this.#bytes -= item.bytes;
    this.#counts.delivered += delivered;
    this.#counts.rejected += rejected;
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).finally(() => {
      this.#wake = null;
    });
  }
}

module.exports = { Queue, batchSize };
