// support.js: the programs that these tests start: the demo site, tally, and what asks them.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');

const ROOT = path.join(__dirname, '..', '..');
const SITE = process.env.TALLY_SITE ?? path.join(ROOT, 'build/demo_site');
// What a sender that is trusted shows.
const TOKEN = 'a-token-of-the-shop';
const TALLY = process.env.TALLY_BIN ?? path.join(ROOT, 'build/release/tally');

const VIEWS = `
CREATE TABLE events (
    event_id STRING, url STRING, method STRING, referrer STRING, user_agent STRING, headers STRING, host STRING, ip STRING,
    event_time TIMESTAMP_LTZ(3), name STRING, props STRING, status INT, duration_ms BIGINT, \`bytes\` BIGINT, WATERMARK FOR event_time AS event_time - INTERVAL '15' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW requests AS
    SELECT event_id, event_time, url, method, referrer, user_agent, headers, host, ip, name, props, status, duration_ms, \`bytes\` FROM events;`;

/** A folder with the views file, that is gone after the test. */
function workspace(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-site-'));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  fs.writeFileSync(path.join(dir, 'views.sql'), VIEWS);
  return { dir, shared: ['--views', path.join(dir, 'views.sql'), '--data', path.join(dir, 'data')] };
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A program until the test ends; says() waits for a pattern on its stderr or stdout. */
function start(t, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const program = { child, text: '' };
  const ended = once(child, 'exit');
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (program.text += part));
  program.says = async (pattern) => {
    for (;;) {
      const match = pattern.exec(program.text);
      if (match !== null) return match;
      assert.ok(child.exitCode === null && child.signalCode === null, `${command} ended: ${program.text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  program.end = async () => {
    child.kill('SIGTERM');
    return (await ended)[0];
  };
  t.after(() => child.kill('SIGKILL'));
  return program;
}

async function startSite(t, environment) {
  const port = await freePort();
  const site = start(t, path.join(ROOT, 'deploy/demo_site/serve.sh'), [String(port), SITE], { env: { PATH: process.env.PATH, HOME: os.tmpdir(), ...environment } });
  await site.says(/Ready in/);
  return { ...site, port };
}

async function startIntercept(t, { shared }, ...args) {
  const intercept = start(t, TALLY, ['intercept', ...shared, '--listen', '127.0.0.1:0', ...args], { env: { ...process.env, TALLY_COLLECT_TOKEN: TOKEN } });
  const [, port] = await intercept.says(/listens url=127\.0\.0\.1:(\d+)/);
  return { ...intercept, port: Number(port) };
}

/** What is in the log, in its order. */
function requestsOf({ shared }) {
  const tally = (...args) => execFileSync(TALLY, [...args, ...shared], { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 }).toString();
  tally('speed', '--once');
  const rows = JSON.parse(tally('query', 'requests', '--format', 'json', '--limit', '100000'));
  return (rows.rows ?? rows).map((row) => ({ ...row, status: row.status === null ? null : Number(row.status) }));
}

function send(port, { method = 'GET', path: target = '/', headers = {}, body } = {}) {
  const form = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const req = http.request({ port, host: '127.0.0.1', method, path: target, headers: { host: 'shop.example.com', ...form, ...headers } }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (part) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode, text, headers: res.headers }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

module.exports = { ROOT, SITE, TALLY, TOKEN, workspace, start, startSite, startIntercept, requestsOf, send, freePort };
