// Carries out the faults of a schedule, and undoes what is left of them at the end.
import { setTimeout as delay } from 'node:timers/promises';
import { createLablinkClient } from '../../src/client/client.ts';
import { createDraw, type Draw } from '../support/draw.ts';
import type { Admin } from './admins.ts';
import type { ChaosAllocator } from './allocators.ts';
import type { Machine, MachineHost, PublishedMachine } from './machines.ts';
import type { ChaosPostgres } from './postgres.ts';
import type { ChaosProxy } from './proxy.ts';
import type { AgentRestart, Fault, FaultOf, Schedule, Spoiling } from './schedule.ts';

/** What can be hurt. */
export type Targets = {
  readonly url: string;
  readonly allocators: readonly ChaosAllocator[];
  readonly postgres: ChaosPostgres;
  readonly networks: Readonly<Record<'http' | 'database', ChaosProxy>>;
  readonly hosts: readonly MachineHost[];
  readonly published: readonly PublishedMachine[];
  readonly machines: readonly Machine[];
  readonly admin: Admin;
};

const DOUBLE_POLL_MS = 2_000;

type Doing = {
  readonly [K in Fault['kind']]: (targets: Targets, fault: FaultOf<K>, draw: Draw) => Promise<void> | void;
};

const restart = async (
  { allocators }: Targets,
  which: number,
  downMs: number,
  how: 'kill' | 'stop',
): Promise<void> => {
  const allocator = allocators[which % allocators.length];
  await allocator?.[how]();
  await delay(downMs);
  await allocator?.start();
};

const interrupt = async (
  { hosts }: Targets,
  { which, downMs, reboot, skewMs }: AgentRestart,
  how: 'kill' | 'stop',
): Promise<void> => {
  const host = hosts[which % Math.max(1, hosts.length)];
  await host?.[how]();
  await delay(downMs);
  host?.start({ reboot, skewMs });
};

const spoil = async (
  { networks }: Targets,
  fault: Spoiling,
  kind: 'half-open' | 'answers lost',
  draw: Draw,
): Promise<void> => {
  const network = networks[fault.network];
  const spoiled = network.spoil(kind, fault.share, draw);
  await delay(fault.forMs);
  if (fault.then === 'heal') network.heal(spoiled);
  if (fault.then === 'cut') network.reset(spoiled);
};

const doing: Doing = {
  'kill allocator': (targets, { which, downMs }) => restart(targets, which, downMs, 'kill'),
  'stop allocator': (targets, { which, downMs }) => restart(targets, which, downMs, 'stop'),
  'freeze allocator': async ({ allocators }, { which, forMs }) =>
    allocators[which % allocators.length]?.freeze(forMs),
  'skew allocator': ({ allocators }, { which, skewMs }) =>
    allocators[which % allocators.length]?.skew(skewMs),
  'end postgres': ({ postgres }, { how }) => postgres.end(how),
  'kill a backend': ({ postgres }, { which }) => postgres.killBackend(which),
  'end sessions': ({ postgres }) => postgres.endSessions(),
  cut: ({ networks }, { network, share }, draw) => networks[network].cut(share, draw),
  slow: async ({ networks }, { network, delayMs, forMs }) => {
    networks[network].slow(delayMs);
    await delay(forMs);
    networks[network].slow(0);
  },
  'half-open': (targets, fault, draw) => spoil(targets, fault, 'half-open', draw),
  'answers lost': (targets, fault, draw) => spoil(targets, fault, 'answers lost', draw),
  'kill agents': (targets, fault) => interrupt(targets, fault, 'kill'),
  'stop agents': (targets, fault) => interrupt(targets, fault, 'stop'),
  'reboot published': ({ published }, { which }) =>
    published[which % Math.max(1, published.length)]?.reboot(),
  'double poll': async ({ url, machines }, { which }) => {
    const hostname = machines[which % machines.length]?.hostname ?? '';
    const body = { hostname, confirms: true };
    const signal = AbortSignal.timeout(DOUBLE_POLL_MS);
    await createLablinkClient({ baseUrl: url })
      .POST('/vm_startup', { body, signal })
      .catch(() => undefined);
  },
  'rotate log': ({ machines }, { which }) => machines[which % machines.length]?.rotateLog(),
  admin: ({ admin }, { action }, draw) => admin.act(action, draw),
};

/** Does everything in time, and returns when all of it has ended: what did not go as it must. */
export async function carryOut(targets: Targets, { seed, faults, windowMs }: Schedule): Promise<string[]> {
  const draw = createDraw(~seed);
  const startedMs = performance.now();
  const running: Promise<string[]>[] = [];
  const waitUntil = (atMs: number) => delay(Math.max(0, atMs - (performance.now() - startedMs)));
  for (const { atMs, fault } of faults) {
    await waitUntil(atMs);
    running.push(
      carryOutOne(targets, fault, draw).then(
        () => [],
        (error: unknown) => [`${fault.kind}: ${String(error)}`],
      ),
    );
  }
  await waitUntil(windowMs);
  return (await Promise.all(running)).flat();
}

async function carryOutOne<K extends Fault['kind']>(
  targets: Targets,
  fault: FaultOf<K>,
  draw: Draw,
): Promise<void> {
  await doing[fault.kind](targets, fault, draw);
}

/** The faults are over: what is down starts, and clocks are right. */
export async function endFaults(targets: Targets, isDeep: boolean): Promise<void> {
  const { networks, allocators, hosts } = targets;
  // In a deep run, connections stay half-open until both sides give up.
  if (!isDeep) for (const network of Object.values(networks)) network.heal();
  for (const allocator of allocators) allocator.skew(0);
  for (const host of hosts) host.start({ reboot: false, skewMs: 0 });
  await Promise.all(allocators.map((allocator) => allocator.start()));
}
