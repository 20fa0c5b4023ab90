// Health check: `node answers.mjs URL` succeeds if the URL answers 2xx.
const response = await fetch(process.argv[2], { signal: AbortSignal.timeout(4000) });
process.exit(response.ok ? 0 : 1);
