// event.js: a request -> the event that `tally intercept` would make of it (speed_layer/request_event.h), but for user_agent, which is the text as it
// was sent: whoever takes the events to the log makes JSON of it.
'use strict';

const { anonymize, clientOf } = require('./client.js');
const { isLogged } = require('./rules.js');
const { maskUrl, REDACTED } = require('./url_mask.js');
const { uuidv7 } = require('./uuid.js');

// What is longer a collector refuses.
const HOST_MAX = 255;
const URL_BYTES_MAX = 8192;
const AGENT_BYTES_MAX = 4096;
const HEADERS_MAX = 128;

// Node reads heads as Latin-1, and what clients send is UTF-8, or was to be.
// eslint-disable-next-line no-control-regex
const utf8 = (text) => (/^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'latin1').toString('utf8'));

/** The first bytes, and no part of a character. */
function cut(text, bytesMax) {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while ((bytes[end] & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** In lower case, without a port and the root's point; null: there is none. */
function hostOf(sent) {
  const host = utf8(sent ?? '').replace(/:\d*$/, '').replace(/(.)\.$/, '$1');
  return host === '' ? null : host.slice(0, HOST_MAX).toLowerCase();
}

/** JSON text: names in lower case, in the order they came; several of a name joined as RFC 9110 says. A URL may stand in any of them. */
function headersOf(rawHeaders, { secretHeaders, isSecretParam }) {
  const headers = new Map();
  for (let i = 0; i + 1 < rawHeaders.length && headers.size < HEADERS_MAX; i += 2) {
    const name = rawHeaders[i].toLowerCase();
    if (name.startsWith(':')) continue; // HTTP/2 has the request line so
    const value = secretHeaders.has(name) ? REDACTED : maskUrl(utf8(rawHeaders[i + 1]), isSecretParam);
    const before = headers.get(name);
    headers.set(name, before === undefined || before === REDACTED ? value : `${before}, ${value}`);
  }
  return JSON.stringify(Object.fromEntries(headers));
}

/** null: it is not to be logged. */
function eventOf(req, { rules, isTrusted, anonymizeIp }) {
  const url = utf8(req.originalUrl ?? req.url);
  const client = clientOf(req, isTrusted);
  const host = hostOf(client.host);
  if (!isLogged(rules, req, url, host)) return null;
  const now = Date.now();
  const { referer, 'user-agent': userAgent } = req.headers;
  return {
    event_id: uuidv7(now),
    url: cut(maskUrl(url, rules.isSecretParam), URL_BYTES_MAX),
    method: req.method,
    referrer: referer === undefined ? null : cut(maskUrl(utf8(referer), rules.isSecretParam), URL_BYTES_MAX),
    user_agent: userAgent === undefined ? null : cut(utf8(userAgent), AGENT_BYTES_MAX),
    headers: headersOf(req.rawHeaders, rules),
    host,
    ip: anonymizeIp ? anonymize(client.ip) : client.ip,
    event_time: new Date(now).toISOString(),
    status: null,
    duration_ms: null,
    bytes: null,
  };
}

module.exports = { eventOf };
