// collector.js: batches to `tally intercept`'s collector (POST /tally/collect), by connections that stay open.
'use strict';

const http = require('node:http');
const https = require('node:https');

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 1 << 20;
// Nothing passes these by being sent again, but for "too many at once".
const isRefusal = (status) => status >= 300 && status < 500 && status !== 408 && status !== 425 && status !== 429;

function post(url, agent, headers, body) {
  const { request } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve, reject) => {
    const req = request(url, { method: 'POST', agent, timeout: TIMEOUT_MS, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (res) => {
      const parts = [];
      let size = 0;
      res.on('data', (part) => {
        size += part.length;
        if (size <= ANSWER_BYTES_MAX) parts.push(part);
      });
      res.on('end', () => resolve({ status: res.statusCode, text: Buffer.concat(parts).toString() }));
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error(`no answer for ${TIMEOUT_MS / 1000} s`)));
    req.on('error', reject);
    req.end(body);
  });
}

function partly(text) {
  try {
    const { accepted, rejected } = JSON.parse(text);
    return Number.isInteger(accepted) && Array.isArray(rejected) ? { accepted, reason: rejected[0]?.reason } : null;
  } catch {
    return null;
  }
}

function collectorSink({ collect, token }, report) {
  const url = new URL(collect);
  const agent = new (url.protocol === 'https:' ? https : http).Agent({ keepAlive: true, maxSockets: 2 });
  const headers = { 'content-type': 'application/json' };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const sink = {
    async send(texts) {
      let answer;
      try {
        answer = await post(url, agent, headers, `[${texts.join(',')}]`);
      } catch (error) {
        throw new Error(`the collector ${url.origin} cannot be reached (${error.code ?? error.message})`);
      }
      const { status, text } = answer;
      if (status >= 200 && status < 300) return { delivered: texts.length, rejected: 0 };
      if (!isRefusal(status)) throw new Error(`the collector ${url.origin} answers ${status}`);
      if (status === 413 && texts.length > 1) return halves(texts);
      const some = status === 400 ? partly(text) : null;
      report.once(`the collector ${url.href} refuses events: ${status}${some?.reason ? `: ${some.reason}` : ''}`);
      const delivered = Math.min(some?.accepted ?? 0, texts.length);
      return { delivered, rejected: texts.length - delivered };
    },
    async close() {
      agent.destroy();
    },
  };
  /** Too large for this collector, of which none was taken. */
  async function halves(texts) {
    const middle = Math.ceil(texts.length / 2);
    const first = await sink.send(texts.slice(0, middle));
    const second = await sink.send(texts.slice(middle));
    return { delivered: first.delivered + second.delivered, rejected: first.rejected + second.rejected };
  }
  return sink;
}

module.exports = { collectorSink };
