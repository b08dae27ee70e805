// user_agents.js: texts of user agents -> the JSON that PARSE_USER_AGENT gives, on a thread of its own: a text made to be slow for regular
// expressions must not stop the site. One that takes longer than PATIENCE_MS, or is longer than any browser's, is not read, and all of it is null.
'use strict';

const { Worker } = require('node:worker_threads');
const path = require('node:path');

const CACHE_MAX = 10_000;
const PATIENCE_MS = 2000;
const BYTES_MAX = 512; // as request_event.c

const UNREAD = {
  family: null, major: null, minor: null, patch: null,
  os: { family: null, major: null, minor: null, patch: null, patch_minor: null },
  device: { family: null, brand: null, model: null },
};

class UserAgents {
  #worker = null;
  #cache = new Map(); // the text -> what it is; the oldest first
  #patienceMs;

  constructor(patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs;
  }

  /** An array of JSON texts, null where there was none. */
  async parse(texts) {
    const found = [];
    for (const text of texts) found.push(text === null ? null : JSON.stringify({ ...(await this.#find(text)), string: text }));
    return found;
  }

  async close() {
    await this.#worker?.terminate();
    this.#worker = null;
  }

  async #find(text) {
    if (Buffer.byteLength(text) > BYTES_MAX) return UNREAD;
    const known = this.#cache.get(text);
    if (known !== undefined) return known;
    const agent = (await this.#ask(text)) ?? UNREAD;
    if (this.#cache.size >= CACHE_MAX) this.#cache.delete(this.#cache.keys().next().value);
    this.#cache.set(text, agent);
    return agent;
  }

  /** undefined: it took too long. The rules take their time, too, and that is none of the text's. */
  async #ask(text) {
    if (this.#worker === null) {
      const worker = new Worker(path.join(__dirname, 'user_agent_worker.js'));
      // Also of one that fails while nobody waits for it: an error that nobody hears would end the site.
      worker.on('error', () => {
        if (this.#worker === worker) this.#worker = null;
      });
      this.#worker = worker;
      await this.#answer(() => {}, 0);
    }
    return this.#answer((worker) => worker.postMessage(Buffer.from(text).toString('latin1')), this.#patienceMs);
  }

  /** The thread's next word; patienceMs 0: whenever it comes. */
  #answer(ask, patienceMs) {
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        // By name: the thread has listeners of its own on itself.
        worker.off('message', onMessage);
        worker.off('error', onError);
        worker.unref();
        settle(value);
      };
      const giveUp = (settle, value) => {
        this.#worker = null;
        worker.terminate();
        end(settle, value);
      };
      const onMessage = (agent) => end(resolve, agent);
      const onError = (error) => giveUp(reject, error);
      const timer = patienceMs > 0 ? setTimeout(giveUp, patienceMs, resolve, undefined) : undefined;
      worker.ref();
      worker.on('message', onMessage);
      worker.on('error', onError);
      ask(worker);
    });
  }
}

module.exports = { UserAgents };
