// servers.js: what the tests put on both sides of the middleware: a site, and a collector that does as tally's does by its contract.
'use strict';

const http = require('node:http');
const { once } = require('node:events');

async function listening(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** `answer(events, req)` gives {status, body}, or nothing for 204. */
async function collector(answer = () => undefined) {
  const state = { batches: [], events: [], requests: [], connections: 0 };
  const server = http.createServer(async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    const events = JSON.parse(Buffer.concat(parts).toString());
    state.requests.push(req);
    const { status = 204, body } = (await answer(events, req)) ?? {};
    if (status === 204) state.events.push(...events);
    state.batches.push(events);
    res.writeHead(status);
    res.end(body);
  });
  server.on('connection', () => state.connections++);
  state.port = await listening(server);
  state.url = `http://127.0.0.1:${state.port}/tally/collect`;
  state.close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return state;
}

/** Until `holds()` is true: what the tests wait for happens, or the runner's time is over. */
async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** One request by its bytes in Latin-1; the answer's text. */
function send(port, { method = 'GET', path = '/', headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ port, host: '127.0.0.1', method, path, headers: { host: 'shop.example.com', ...headers }, agent: false }, (res) => {
      let text = '';
      res.on('data', (part) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode, text, headers: res.headers }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

module.exports = { collector, listening, send, until };
