// client.js: who sent a request: the address behind the proxies that are trusted, and the host that was asked for. As speed_layer/client.h does it.
'use strict';

const net = require('node:net');

const NAMED = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', 'fc00::/7', 'fe80::/10'],
};

const family = (ip) => (net.isIPv4(ip) ? 'ipv4' : 'ipv6');

/** '::ffff:203.0.113.7', '203.0.113.7:4711', '[2001:db8::1]:4711' -> the address alone; null: it is none. */
function address(text) {
  let ip = text.trim().replace(/^"|"$/g, '');
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(ip);
  if (bracketed) ip = bracketed[1];
  else if (/^[\d.]+:\d+$/.test(ip)) ip = ip.slice(0, ip.indexOf(':'));
  if (/^::ffff:[\d.]+$/i.test(ip)) ip = ip.slice(7);
  return net.isIP(ip) ? ip.toLowerCase() : null;
}

/** A list of networks: '10.0.0.0/8', '::1', 'loopback', 'private'. */
function trust(list) {
  const networks = new net.BlockList();
  for (const item of list.flatMap((name) => NAMED[name] ?? [name])) {
    const [ip, bits] = String(item).split('/');
    const widest = net.isIPv4(ip) ? 32 : 128;
    const prefix = bits === undefined ? widest : Number(bits);
    if (!net.isIP(ip) || !Number.isInteger(prefix) || prefix < 0 || prefix > widest || bits === '')
      throw new TypeError(`tally: trustProxy: '${item}' is no network; '10.0.0.0/8', '::1', 'loopback' and 'private' are`);
    networks.addSubnet(ip, prefix, family(ip));
  }
  return (ip) => ip !== null && networks.check(ip, family(ip));
}

/** What proxies say, the nearest last: X-Forwarded-For, and where there is none Forwarded (RFC 7239). */
function saidBy(headers) {
  const list = headers['x-forwarded-for'];
  if (list !== undefined) return list.split(',');
  const forwarded = headers.forwarded;
  if (forwarded === undefined) return [];
  return forwarded.split(',').map((hop) => /(?:^|;)\s*for=("[^"]*"|[^;]*)/i.exec(hop)?.[1] ?? '');
}

/** {ip, host}: read from the right, the first address that is not trusted itself; null and undefined where nothing is known. */
function clientOf(req, isTrusted) {
  const peer = address(req.socket?.remoteAddress ?? '');
  const asked = req.headers.host ?? req.headers[':authority'];
  if (!isTrusted(peer)) return { ip: peer, host: asked };
  let ip = peer;
  for (const said of saidBy(req.headers).reverse()) {
    const before = address(said);
    if (before === null) break;
    ip = before;
    if (!isTrusted(before)) break;
  }
  const host = req.headers['x-forwarded-host']?.split(',').at(-1).trim() || asked;
  return { ip, host };
}

/** As ANONYMIZE_IP: the last byte of IPv4 is 0, of IPv6 the first 48 bits are kept. */
function anonymize(ip) {
  if (ip === null) return null;
  if (net.isIPv4(ip)) return ip.replace(/\d+$/, '0');
  const [head, tail] = ip.replace(/%.*$/, '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const groups = tail === undefined ? left : [...left, ...Array(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return new URL(`http://[${groups.slice(0, 3).join(':')}::]/`).hostname.slice(1, -1);
}

module.exports = { clientOf, trust, anonymize };
