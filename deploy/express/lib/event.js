// event.js: a request -> the event that `tally intercept` would make of it (speed_layer/request_event.h), but for user_agent, which is the text as it
// was sent: whoever takes the events to the log makes JSON of it.
'use strict';

const { anonymize, clientOf } = require('./client.js');
const { isLogged } = require('./rules.js');
const { maskUrl, REDACTED } = require('./url_mask.js');
const { uuidv7 } = require('./uuid.js');

const HOST_MAX = 255;

// Node reads heads as Latin-1, and what clients send is UTF-8, or was to be.
// eslint-disable-next-line no-control-regex
const utf8 = (text) => (/^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'latin1').toString('utf8'));

/** In lower case, without a port and the root's point; null: there is none. */
function hostOf(sent) {
  const host = utf8(sent ?? '').replace(/:\d*$/, '').replace(/(.)\.$/, '$1');
  return host === '' ? null : host.slice(0, HOST_MAX).toLowerCase();
}

/** JSON text: names in lower case, in the order they came; several of a name joined as RFC 9110 says. A URL may stand in any of them. */
function headersOf(rawHeaders, { secretHeaders, isSecretParam }) {
  const headers = new Map();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
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
    url: maskUrl(url, rules.isSecretParam),
    method: req.method,
    referrer: referer === undefined ? null : maskUrl(utf8(referer), rules.isSecretParam),
    user_agent: userAgent === undefined ? null : utf8(userAgent),
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
