// What all runs of a harness share: one Postgres, the allocators and the networks between. Opened once, because an allocator
// takes seconds to start; each run has machines and participants of its own.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createLablinkClient } from '../../src/client/client.ts';
import { createDraw } from '../support/draw.ts';
import { makeTemporaryFolder } from '../support/leftovers.ts';
import { createAdmin } from './admins.ts';
import { createAllocator, type ChaosAllocator } from './allocators.ts';
import type { Holding } from './evidence.ts';
import { createAgentHost, startPublishedMachine } from './machines.ts';
import { createParticipant } from './participants.ts';
import { startChaosPostgres, type ChaosPostgres } from './postgres.ts';
import { postgresOf, processesOf } from './processes.ts';
import { startChaosProxy, type ChaosProxy } from './proxy.ts';
import { ADMIN_ACTIONS } from './schedule.ts';

export type Session = AsyncDisposable & {
  readonly folder: string;
  /** Of the balancer in front of the allocators. */
  readonly url: string;
  readonly postgres: ChaosPostgres;
  readonly allocators: readonly ChaosAllocator[];
  readonly networks: Readonly<Record<'http' | 'database', ChaosProxy>>;
  /** What a fresh allocator held that had served a little. */
  readonly before: Holding;
};

const LOOPBACK = '127.0.0.1';
const WARM_UP_MS = 20_000;
const DESTROY_MS = 20_000;

/** @param allocators how many */
export async function openSession(allocatorCount: number): Promise<Session> {
  await using stack = new AsyncDisposableStack();
  const folder = await makeTemporaryFolder(process.pid);
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const postgres = stack.use(await startChaosPostgres(folder));
  const database = stack.use(await startChaosProxy(() => [postgres.port]));
  const databaseUrl = new URL(postgres.connectionString);
  databaseUrl.port = String(database.port);
  const allocators = Array.from({ length: allocatorCount }, (_, index) => {
    const allocator = createAllocator({
      name: `allocator-${index + 1}`,
      folder,
      databaseUrl: databaseUrl.href,
    });
    stack.defer(() => allocator.kill());
    return allocator;
  });
  const http = stack.use(await startChaosProxy(() => allocators.flatMap(({ port }) => port ?? [])));
  await Promise.all(allocators.map((allocator) => allocator.start()));
  await Promise.all(allocators.map((allocator) => warmUp(allocator, folder)));
  const held: Holding[] = [];
  for (const allocator of allocators) {
    await createAdmin(urlOf(allocator), []).destroyAll(AbortSignal.timeout(DESTROY_MS));
    held.push(await readHolding(allocator));
  }
  const rest = stack.move();
  return {
    folder,
    url: `http://${LOOPBACK}:${http.port}`,
    postgres,
    allocators,
    networks: { http, database },
    before: mostOf(held),
    [Symbol.asyncDispose]: async () => {
      for (const allocator of allocators) await allocator.stop();
      await rest.disposeAsync();
      const left = [...(await processesOf(folder)), ...postgresOf(folder)];
      if (left.length > 0) throw new Error(left.join('; '));
    },
  };
}

/** Each kind of client for a moment, so that what an allocator makes once, such as the validator of an endpoint, is made. */
async function warmUp(allocator: ChaosAllocator, folder: string): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const url = urlOf(allocator);
  const hostname = `warm-up-of-${allocator.name}`;
  const spare = `${hostname}-spare`;
  const looking = new AbortController();
  const signal = AbortSignal.any([looking.signal, AbortSignal.timeout(WARM_UP_MS)]);
  const admin = createAdmin(url, [spare]);
  const watching = Promise.all([admin.watch(signal), admin.followLog(hostname, signal).done]);
  await admin.register(spare);
  const host = stack.use(await createAgentHost(join(folder, hostname), url, [hostname]));
  host.start({ reboot: true, skewMs: 0 });
  stack.use(await startPublishedMachine(join(folder, hostname), url, `${hostname}-published`));
  await host.machines[0]?.writeLog(1);
  const draw = createDraw(0);
  const participant = createParticipant(url, `${hostname}@example.org`, draw);
  await participant.join(0, signal);
  for (const action of new Set(ADMIN_ACTIONS)) await admin.act(action, draw);
  await participant.comeBack(signal);
  looking.abort();
  await watching;
}

const urlOf = ({ port }: ChaosAllocator): string => `http://${LOOPBACK}:${port}`;

/** What an allocator holds now; files by the names of those that no other start would have made. */
export async function readHolding(allocator: ChaosAllocator): Promise<Holding> {
  const { heapBytes, files, resources } = await allocator.measure();
  const health = await createLablinkClient({ baseUrl: urlOf(allocator) }).GET('/api/health');
  return {
    heapBytes,
    descriptors: files,
    sockets: resources['TCPSocketWrap'] ?? 0,
    timers: resources['Timeout'] ?? 0,
    waiters: (health.data?.groups ?? []).reduce((sum, { waiting }) => sum + waiting, 0),
    files: await allocator.files(),
  };
}

function mostOf(held: readonly Holding[]): Holding {
  const most = (pick: (holding: Holding) => number): number => Math.max(...held.map(pick));
  return {
    heapBytes: most(({ heapBytes }) => heapBytes),
    descriptors: most(({ descriptors }) => descriptors),
    sockets: most(({ sockets }) => sockets),
    timers: most(({ timers }) => timers),
    waiters: 0,
    files: [...new Set(held.flatMap(({ files }) => files))],
  };
}
