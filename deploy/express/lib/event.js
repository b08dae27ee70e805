// event.js: a request -> the event that `tally intercept` would make of it (speed_layer/request_event.h), but for user_agent, which is the text as it
// was sent: whoever takes the events to the log makes JSON of it.
'use strict';

const { anonymize, clientOf } = require('./client.js');
const { isLogged, maskParams, REDACTED } = require('./rules.js');
const { uuidv7 } = require('./uuid.js');

// Node reads heads as Latin-1, and what clients send is UTF-8, or was to be.
// eslint-disable-next-line no-control-regex
const utf8 = (text) => (/^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'latin1').toString('utf8'));

/** JSON text: names in lower case, in the order they came; several of a name joined as RFC 9110 says. A URL may stand in any of them (Referer, Next-Url). */
function headersOf(rawHeaders, { secretHeaders, secretParams }) {
  const headers = new Map();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i].toLowerCase();
    if (name.startsWith(':')) continue; // HTTP/2 has the request line so
    const value = secretHeaders.has(name) ? REDACTED : maskParams(utf8(rawHeaders[i + 1]), secretParams);
    const before = headers.get(name);
    headers.set(name, before === undefined || before === REDACTED ? value : `${before}, ${value}`);
  }
  return JSON.stringify(Object.fromEntries(headers));
}

/** null: it is not to be logged. */
function eventOf(req, { rules, isTrusted, anonymizeIp }) {
  const url = utf8(req.originalUrl ?? req.url);
  const { ip, host } = clientOf(req, isTrusted);
  if (!isLogged(rules, req, url, host)) return null;
  const now = Date.now();
  const referrer = req.headers.referer;
  return {
    event_id: uuidv7(now),
    url: maskParams(url, rules.secretParams),
    method: req.method,
    referrer: referrer === undefined ? null : maskParams(utf8(referrer), rules.secretParams),
    user_agent: req.headers['user-agent'] === undefined ? null : utf8(req.headers['user-agent']),
    headers: headersOf(req.rawHeaders, rules),
    host: host === undefined ? null : utf8(host).toLowerCase(),
    ip: anonymizeIp ? anonymize(ip) : ip,
    event_time: new Date(now).toISOString(),
    status: null,
    duration_ms: null,
    bytes: null,
  };
}

module.exports = { eventOf };
