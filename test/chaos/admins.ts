// The admins of a run: they look at everything all the time, follow streams, and act on machines.
import { setTimeout as delay } from 'node:timers/promises';
import { isAborted, sleep } from '../../src/async/abort.ts';
import { createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import type { Draw } from '../support/draw.ts';
import { readEvents } from '../support/sse.ts';
import { ADMIN } from './allocators.ts';

export type AdminAction = 'release' | 'reassign' | 'mark healthy' | 'destroy a spare' | 'cancel' | 'launch';

export type Admin = {
  /** Does it to a machine that the draw chooses; what fails is not repeated. */
  readonly act: (action: AdminAction, draw: Draw) => Promise<void>;
  /** Looks at the pages until the signal is aborted. */
  readonly watch: (signal: AbortSignal) => Promise<void>;
  /** Follows the log of a machine across reconnects, as a browser does. Returns the numbers and lines that it was shown. */
  readonly followLog: (hostname: string, signal: AbortSignal) => LogView;
  readonly register: (hostname: string) => Promise<void>;
  /** Destroys all machines, and waits for the end of the operation. */
  readonly destroyAll: (signal: AbortSignal) => Promise<void>;
};

export type LogView = { readonly lines: readonly string[]; readonly done: Promise<void> };

const REQUEST_MS = 4_000;
const AGAIN_MS = 200;
const DEPLOYMENT = 'lablink';

/** @param spares names that no machine has: rows that admins may destroy */
export function createAdmin(url: string, spares: readonly string[]): Admin {
  const api = createLablinkClient({ baseUrl: url, ...ADMIN });
  const limit = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(REQUEST_MS) });
  const assigned = async () =>
    (await api.GET('/api/v1/vms', { params: { query: { assigned: true } }, ...limit() })).data?.items ?? [];

  const actions: Record<AdminAction, (draw: Draw) => Promise<unknown>> = {
    release: async (draw) => {
      // Published agents cannot reset their machine.
      const held = (await assigned()).filter(({ hostname }) => !hostname.includes('published'));
      const id = held[draw.below(Math.max(1, held.length))]?.assignment?.id;
      if (id !== undefined)
        await api.POST('/api/v1/assignments/{id}/release', { params: { path: { id } }, ...limit() });
    },
    reassign: async (draw) => {
      const held = (await assigned()).filter(({ hostname }) => !hostname.includes('published'));
      const hostname = held[draw.below(Math.max(1, held.length))]?.hostname;
      if (hostname !== undefined)
        await api.POST('/api/v1/vms/{hostname}/reassign', { params: { path: { hostname } }, ...limit() });
    },
    'mark healthy': async (draw) => {
      const items = (await api.GET('/api/v1/vms', limit())).data?.items ?? [];
      const hostname = items[draw.below(Math.max(1, items.length))]?.hostname;
      if (hostname !== undefined)
        await api.POST('/api/v1/vms/{hostname}/mark-healthy', { params: { path: { hostname } }, ...limit() });
    },
    'destroy a spare': (draw) => {
      const hostname = spares[draw.below(spares.length)] ?? '';
      return api.DELETE('/api/v1/vms/{hostname}', { params: { path: { hostname } }, ...limit() });
    },
    cancel: async () => {
      const { data } = await api.GET('/api/v1/operations', limit());
      const id = data?.items[0]?.id;
      if (id !== undefined)
        await api.POST('/api/v1/operations/{id}/cancel', { params: { path: { id } }, ...limit() });
    },
    // Machines are external here: it is refused.
    launch: () => api.POST('/api/v1/operations', { body: { kind: 'launch', num_vms: 2 }, ...limit() }),
  };

  return {
    act: async (action, draw) => {
      await actions[action](draw).catch(() => undefined);
    },
    watch: (signal) => watch(api, url, signal),
    followLog: (hostname, signal) => followLog(url, hostname, signal),
    register: async (hostname) => {
      await until(AbortSignal.timeout(60_000), async () => {
        const { response } = await api.POST('/api/v1/vms', { body: { hostname }, ...limit() });
        return response.status === 201 || response.status === 409;
      });
    },
    destroyAll: (signal) =>
      until(signal, async () => {
        const body = { kind: 'destroy' as const, confirm: DEPLOYMENT };
        await api.POST('/api/v1/operations', { body, ...limit() });
        await delay(AGAIN_MS);
        const { data } = await api.GET('/api/v1/vms', limit());
        return data?.items.length === 0;
      }),
  };
}

/** Repeats it until it is true, or the signal is aborted. */
async function until(signal: AbortSignal, done: () => Promise<boolean>): Promise<void> {
  while (!isAborted(signal) && !(await done().catch(() => false))) await sleep(AGAIN_MS, signal);
}

const authorization = `Basic ${btoa(`${ADMIN.user}:${ADMIN.password}`)}`;

async function watch(api: LablinkClient, url: string, signal: AbortSignal): Promise<void> {
  const looks = [
    () => api.GET('/api/v1/overview', { signal }),
    () => api.GET('/admin', { signal, parseAs: 'text' }),
    () => api.GET('/admin/instances', { signal, parseAs: 'text' }),
    () => api.GET('/api/health', { signal }),
    () => api.GET('/api/v1/lab', { signal }),
  ] as const;
  const stream = followVms(url, signal);
  for (let turn = 0; !isAborted(signal); turn++) {
    await looks[turn % looks.length]?.().catch(() => undefined);
    await sleep(AGAIN_MS, signal);
  }
  await stream;
}

async function followVms(url: string, signal: AbortSignal): Promise<void> {
  while (!isAborted(signal)) {
    await follow(`${url}/api/v1/vms/events`, null, signal, () => undefined).catch(() => undefined);
    await sleep(AGAIN_MS, signal);
  }
}

function followLog(url: string, hostname: string, signal: AbortSignal): LogView {
  const lines: string[] = [];
  let lastId: string | null = null;
  const run = async (): Promise<void> => {
    while (!isAborted(signal)) {
      await follow(`${url}/api/v1/vms/${hostname}/logs/events`, lastId, signal, ({ event, id, data }) => {
        if (event !== 'lines') return;
        lastId = id;
        lines.push(...(data as { readonly lines: readonly string[] }).lines);
      }).catch(() => undefined);
      await sleep(AGAIN_MS, signal);
    }
  };
  return { lines, done: run() };
}

type Seen = { readonly event: string; readonly id: string; readonly data: unknown };

/** Reads a stream to its end. */
async function follow(
  url: string,
  lastId: string | null,
  signal: AbortSignal,
  onEvent: (event: Seen) => void,
): Promise<void> {
  const headers = { authorization, ...(lastId !== null && { 'last-event-id': lastId }) };
  await using stream = await readEvents(url, headers, signal);
  for (let event = await stream.next(); event !== null && !signal.aborted; event = await stream.next())
    onEvent(event);
}
