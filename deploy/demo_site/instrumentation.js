// instrumentation.js: Next calls this once, before the first request.
export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs' || !process.env.TALLY_COLLECT) return;
  const { register: watch } = await import('tally-express/next');
  watch({ trustProxy: (process.env.TALLY_TRUST_PROXY ?? '').split(',').filter(Boolean), exclude: ['/_next/*'], closeMs: 30_000 });
}
