// user_agent.test.js: the same rules, the same answer: held against tally's own PARSE_USER_AGENT, over the cases of uap-core. TALLY_BIN names the program;
// where it or the rules of Debian's package are missing, that part is left out.
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const yaml = require('js-yaml');
const { readRules } = require('../lib/user_agent.js');
const { UserAgents } = require('../lib/user_agents.js');

const DEBIAN = '/usr/share/uap-core';
const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36';
const VIEWS = `
CREATE TABLE events (event_id STRING, agent STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)
WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
CREATE VIEW agents AS SELECT event_id, event_time, PARSE_USER_AGENT(agent) AS parsed FROM events;`;

/** Of the devices, of which there are 16,111, one in forty. */
function cases() {
  const of = (name) => yaml.load(fs.readFileSync(path.join(DEBIAN, 'tests', name), 'utf8')).test_cases.map((each) => each.user_agent_string);
  const odd = ['', ' ', 'Größe/1.0', '\u00ff'.repeat(600), CHROME.repeat(20), 'Mozilla/5.0 (Linux; Android 9; K\u212aLVIN) ſafari'];
  return [...of('test_ua.yaml'), ...of('test_os.yaml'), ...of('test_device.yaml').filter((_, i) => i % 40 === 0), ...odd];
}

function tallyParses(texts) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'tally-agents-'));
  const shared = ['--views', path.join(dir, 'views.sql'), '--data', path.join(dir, 'data')];
  const tally = (...args) => execFileSync(process.env.TALLY_BIN, args, { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 }).toString();
  try {
    fs.writeFileSync(path.join(dir, 'views.sql'), VIEWS);
    fs.writeFileSync(path.join(dir, 'events.jsonl'), texts.map((agent, i) => `${JSON.stringify({ event_id: String(i), agent, event_time: '2026-03-01T00:00:00Z' })}\n`).join(''));
    tally('import', path.join(dir, 'events.jsonl'), '--format', 'jsonl', ...shared);
    tally('speed', '--once', ...shared);
    const rows = JSON.parse(tally('query', 'agents', '--format', 'json', '--limit', '1000000', ...shared));
    return new Map((rows.rows ?? rows).map((row) => [Number(row.event_id), JSON.parse(row.parsed)]));
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

const here = process.env.TALLY_BIN !== undefined && fs.existsSync(DEBIAN);
test("with the same rules it is what PARSE_USER_AGENT says", { skip: here ? false : 'TALLY_BIN is not set, or the package uap-core is not there' }, () => {
  const texts = cases();
  const parse = readRules(path.join(DEBIAN, 'regexes.yaml'));
  const theirs = tallyParses(texts);
  assert.equal(theirs.size, texts.length);
  for (const [i, text] of texts.entries()) assert.deepEqual(parse(Buffer.from(text).subarray(0, 1024).toString('latin1')), theirs.get(i), text);
});

test('texts become JSON on a thread of their own, with the text itself at the end', async () => {
  const agents = new UserAgents(60_000);
  const [chrome, none, long, again] = await agents.parse([CHROME, null, 'x'.repeat(513), CHROME]);
  const parsed = JSON.parse(chrome);
  assert.deepEqual([parsed.family, parsed.major, parsed.os.family, parsed.device.family, parsed.string], ['Chrome', '120', 'Linux', 'Other', CHROME]);
  assert.deepEqual(Object.keys(parsed), ['family', 'major', 'minor', 'patch', 'os', 'device', 'string']);
  assert.equal(none, null);
  assert.equal(JSON.parse(long).family, null);
  assert.equal(again, chrome);
  await agents.close();
});

test('a text that is slow on purpose stops nobody, and the next one is read', async () => {
  const agents = new UserAgents(60_000);
  const started = performance.now();
  const beats = [];
  const beat = setInterval(() => beats.push(performance.now()), 5);
  const [slow, chrome] = await agents.parse([`Mozilla/5.0 (${'; HTC  '.repeat(70)}`, CHROME]);
  clearInterval(beat);
  assert.equal(JSON.parse(slow).string.length, 503);
  assert.equal(JSON.parse(chrome).family, 'Chrome');
  assert.ok(beats.length > 0 && performance.now() > started); // the site's own thread went on
  await agents.close();
});
