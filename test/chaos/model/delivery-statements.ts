// What the statements about deliveries, leases and logs mean in the model.
import { readVmStatus, type VmStatus } from '../../../src/vms/lifecycle.ts';
import type { LogLine, ModelAssignment, World } from './world.ts';

export type Row = Readonly<Record<string, unknown>>;
const SECOND_MS = 1_000;

/** A parameter that is an array of texts. */
export const texts = (value: unknown): readonly string[] => value as readonly string[];

const statusLists = new Map<string, readonly VmStatus[]>();

/** The statuses of the first `status in (…)`. */
export function statusesIn(text: string): readonly VmStatus[] {
  const before = statusLists.get(text);
  if (before) return before;
  const list = /status in \(([^)]*)\)/.exec(text)?.[1] ?? '';
  const statuses = [...list.matchAll(/'([a-z]+)'/g)].map(([, status = '']) => readVmStatus(status));
  statusLists.set(text, statuses);
  return statuses;
}

function isDue(world: World, row: ModelAssignment, lifetimeSeconds: number): boolean {
  return (
    row.releasedAt === null &&
    row.acknowledgedAt === null &&
    row.commandAt > world.now() - lifetimeSeconds * SECOND_MS
  );
}

/** The assignment on this machine, if its command is to be fetched. */
function dueOn(world: World, hostname: string, lifetimeSeconds: number): ModelAssignment | null {
  const row = world.assignments.get(world.vms.get(hostname)?.assignmentId ?? '');
  return row && isDue(world, row, lifetimeSeconds) ? row : null;
}

export function take(world: World, [hostnames, lifetimes]: readonly unknown[], text: string): Row[] {
  const deliverable = statusesIn(text);
  if (world.sabotage === 'a delivery is lost') return [];
  return texts(hostnames).flatMap((hostname, index): Row[] => {
    const vm = world.vms.get(hostname);
    const row =
      vm && deliverable.includes(vm.status)
        ? dueOn(world, hostname, (lifetimes as number[])[index] ?? 0)
        : null;
    if (!row) return [];
    const nothing = { hostname, assignmentId: null, command: null, pin: null, commandNumber: null };
    if (text.includes('skip locked') && world.isLocked()) return [nothing];
    row.deliveredAt ??= world.now();
    return [
      {
        hostname,
        assignmentId: row.id,
        command: row.command,
        pin: row.pin,
        commandNumber: row.commandNumber,
      },
    ];
  });
}

export function withDelivery(world: World, [hostnames, lifetime]: readonly unknown[]): Row[] {
  return texts(hostnames).flatMap((hostname) =>
    dueOn(world, hostname, Number(lifetime)) ? [{ hostname }] : [],
  );
}

export function notify(world: World, [, payload]: readonly unknown[]): Row[] {
  const { HostName: hostname } = JSON.parse(String(payload)) as { HostName: string };
  world.notifications.push({ kind: 'command', hostname });
  return [];
}

export function lease(
  world: World,
  [hostnames, confirms, allocator, seconds, , renews]: readonly unknown[],
): Row[] {
  return texts(hostnames).flatMap((hostname, index) => {
    const vm = world.vms.get(hostname);
    const before = world.presence.get(hostname);
    const isElsewhere = before?.waitsAt !== allocator && (before?.waitingUntil ?? 0) >= world.now();
    if (!vm) return [];
    if (renews === true && before && isElsewhere) return [{ hostname, isLeased: false }];
    world.presence.set(hostname, {
      confirms: (confirms as readonly boolean[])[index] ?? false,
      waitingUntil: world.now() + Number(seconds) * SECOND_MS,
      waitsAt: String(allocator),
      available: vm.assignmentId === null,
    });
    if (!isElsewhere) return [];
    world.notifications.push({ kind: 'poll', hostname, allocator: String(allocator) });
    return [{ hostname, isLeased: true }];
  });
}

export function endLease(world: World, [hostnames, allocator]: readonly unknown[]): Row[] {
  for (const hostname of texts(hostnames)) {
    const presence = world.presence.get(hostname);
    if (!presence || (presence.waitsAt !== null && presence.waitsAt !== allocator)) continue;
    if (world.sabotage !== 'leases never end')
      Object.assign(presence, { waitingUntil: null, available: false });
  }
  return [];
}

/** One batch of a VM. */
export function appendLogs(world: World, parameters: readonly unknown[]): Row[] {
  const [, hostname, , lines, eventIds] = parameters;
  const added = texts(lines).map((line, index) => ({ line, eventId: texts(eventIds)[index] ?? null }));
  return [{ stored: append(world, String(hostname), added) }];
}

/** A batch each of several VMs, of which another writer may be writing some. */
export function appendLogsTogether(
  world: World,
  [ofLines, lines, eventIds, , hostnames]: readonly unknown[],
): Row[] {
  const all = texts(lines).map((line, index) => ({ line, eventId: texts(eventIds)[index] ?? null }));
  return texts(hostnames).flatMap((hostname) => {
    if (world.isLocked()) return [];
    const added = all.filter((_, index) => texts(ofLines)[index] === hostname);
    return [{ hostname, stored: append(world, hostname, added) }];
  });
}

/** Returns how many lines it has now. */
function append(world: World, hostname: string, added: readonly LogLine[]): number {
  const stored = world.logs.get(hostname) ?? [];
  world.logs.set(hostname, stored);
  if (world.sabotage === 'log lines are dropped') return 0;
  const known = new Set(stored.map(({ eventId }) => eventId));
  for (const one of added) {
    const isDoubled =
      one.eventId !== null && known.has(one.eventId) && world.sabotage !== 'log lines are stored twice';
    if (!isDoubled) stored.push(one);
  }
  return stored.length;
}
