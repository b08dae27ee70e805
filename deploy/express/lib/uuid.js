// uuid.js: UUIDs of version 7 (RFC 9562): the milliseconds, and random bits behind them.
'use strict';

const { randomBytes } = require('node:crypto');

const RANDOM_BYTES = 10;
const POOL_BYTES = 4096 - (4096 % RANDOM_BYTES);
let pool = Buffer.alloc(0);
let used = 0;

function uuidv7(timeMs) {
  if (used + RANDOM_BYTES > pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(timeMs, 0, 6);
  pool.copy(bytes, 6, used, used + RANDOM_BYTES);
  used += RANDOM_BYTES;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

module.exports = { uuidv7 };
