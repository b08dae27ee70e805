export default {
  poweredByHeader: false,
  // They are Node's own modules: loaded as they are, not bundled.
  serverExternalPackages: ['tally-express', 'pg', 'node-sqlite3-wasm'],
  turbopack: { root: import.meta.dirname },
};
