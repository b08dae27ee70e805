import type tally = require('./index');

/** Once, from register() in instrumentation.js, in the Node.js runtime. */
export function register(options?: tally.Options): tally.Handle;
