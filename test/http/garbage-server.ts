// A server in a process of its own that tells its parent how much of what requests used is still there when they are over.
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics } from 'node:v8';
import { html, json, startStub } from './harness.ts';

const VM = { hostname: 'lablink-vm-test-1', pin: '123456' };
/** Long enough to be compressed for a browser. */
const PAGE = `<p>${'a machine for everybody '.repeat(100)}</p>`;

const http = await startStub(
  {
    requestVm: async ({ accept, signal, arrivedBy }) => {
      // As a handler waits for the database.
      await new Promise((resolve) => setTimeout(resolve, signal.aborted || arrivedBy.host === '' ? 0 : 2));
      return accept === 'text/html' ? html(PAGE) : json({ status: 'success', ...VM });
    },
  },
  { responseFaults: 'log', logRequests: false },
);

const { NODE_PERFORMANCE_GC_MINOR: young } = constants;
let fullCollections = 0;
new PerformanceObserver((list) => {
  const kinds = list.getEntries() as unknown as readonly { readonly detail: { readonly kind: number } }[];
  fullCollections += kinds.filter(({ detail }) => detail.kind !== young).length;
}).observe({ entryTypes: ['gc'] });

process.on('message', () => {
  // When the observer has heard of everything.
  setTimeout(() => {
    const old = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space');
    process.send?.({ oldBytes: old?.space_used_size, fullCollections });
  }, 10);
});
process.on('disconnect', () => process.exit());
process.send?.({ port: http.port });
