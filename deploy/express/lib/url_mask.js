// url_mask.js: takes the secrets out of a URL, as speed_layer/url_mask.c does: the values of parameters named token, password and the like, and
// user:password@. Also where they stand percent-encoded in another parameter (?next=/a%3Ftoken%3D1), and in a path (/a;sid=1).
'use strict';

const REDACTED = '[redacted]';

// Letters and digits alone: api_key, api-key and apiKey are one.
const SECRET_NAMES = (
  'apikey appkey assertion auth authorization cardnumber ccnumber code creditcard cvc cvv jsessionid jwt key oauthverifier otp pass passphrase passwd ' +
  'phpsessid pin privatekey pwd samlresponse secret session sessionid sessid sid sig ssn ticket totp xamzcredential'
).split(' ');
// And what ends with one of these: access_token, newPassword, X-Amz-Signature.
const SECRET_ENDS = ['token', 'password', 'secret', 'apikey', 'signature', 'sessionid'];

const bare = (name) => name.toLowerCase().replace(/[^a-z0-9\u0080-\uffff]/g, '');

function maskOf(names) {
  const secrets = new Set([...SECRET_NAMES, ...names.map(bare)]);
  const has = (name) => secrets.has(name) || SECRET_ENDS.some((end) => name.endsWith(end));
  return (name) => has(bare(name)) || (/[[.]/.test(name) && has(bare(name.slice(Math.max(name.lastIndexOf('['), name.lastIndexOf('.'))))));
}

/** A character, from under so many percent-encodings: %3F is ? at level 1, %253F at level 2. */
function pieceAt(url, at) {
  const match = url[at] === '%' ? /%((?:25)*)([0-9a-f]{2})/iy : null;
  if (match !== null) match.lastIndex = at;
  const found = match?.exec(url);
  if (!found) return { c: url[at], level: 0, size: 1 };
  return { c: String.fromCharCode(parseInt(found[2], 16)), level: found[1].length / 2 + 1, size: found[0].length };
}

/** Where a separator may begin next; the text's end where none does. */
function nextSpecial(url, from) {
  for (let at = from; at < url.length; at++) {
    const c = url.charCodeAt(at);
    if (c === 0x3f || c === 0x26 || c === 0x3b || c === 0x23 || c === 0x25) return at; // ? & ; # %
  }
  return url.length;
}

const isSeparator = (c) => c === '?' || c === '&' || c === ';' || c === '#';

/** A name from there on whose values are secret: where its value begins; -1: it is none. */
function secretValueAt(url, from, isSecret) {
  let name = '';
  for (let at = from; at < url.length; ) {
    const piece = pieceAt(url, at);
    at += piece.size;
    if (piece.c === '=') return isSecret(name) ? at : -1;
    if (isSeparator(piece.c) || piece.c === '/') return -1;
    name += piece.c;
  }
  return -1;
}

/** In a query a ; / or ? may be part of the value; what is encoded more often than what began the parameter is. */
function valueEnd(url, from, level, inQuery) {
  for (let at = from; at < url.length; ) {
    const { c, level: own, size } = pieceAt(url, at);
    if (own <= level && (inQuery ? c === '&' || c === '#' : isSeparator(c) || c === '/')) return at;
    at += size;
  }
  return url.length;
}

function maskUrl(url, isSecret) {
  if (!/[=@%]/.test(url)) return url;
  const plain = url.includes('@') ? url.replace(/^(.*?:\/\/)([^/?#]*)@/s, `$1${REDACTED}@`) : url;
  let masked = '';
  let copied = 0;
  let inQuery = false;
  for (let at = nextSpecial(plain, 0); at < plain.length; at = nextSpecial(plain, at)) {
    const piece = pieceAt(plain, at);
    at += piece.size;
    if (!isSeparator(piece.c)) continue;
    inQuery ||= piece.c === '?' || piece.c === '#';
    const value = secretValueAt(plain, at, isSecret);
    if (value < 0) continue;
    at = valueEnd(plain, value, piece.level, inQuery);
    masked += plain.slice(copied, value) + REDACTED;
    copied = at;
  }
  return masked + plain.slice(copied);
}

module.exports = { maskOf, maskUrl, REDACTED };
