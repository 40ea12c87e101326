// What the statements about assignments mean in the model, but for the claim.
import type { Row } from './delivery-statements.ts';
import type { ModelAssignment, World } from './world.ts';

export const isLive = ({ releasedAt }: ModelAssignment): boolean => releasedAt === null;

export function liveAssignment(world: World, [id]: readonly unknown[]): Row[] {
  const row = world.assignments.get(String(id));
  if (!row || !isLive(row)) return [];
  const open = { ended_browsers: [], pin_failures: 0, browser_allowed: false, locked_seconds: null };
  return [
    {
      id: row.id,
      hostname: row.hostname,
      pin: row.pin,
      browsers: row.browsers,
      crd_command: row.command,
      ...open,
    },
  ];
}

/** For a browser that comes back: what it decides by, whether live or released. */
export function assignmentRecord(world: World, [id]: readonly unknown[]): Row[] {
  const row = world.assignments.get(String(id));
  const vm = row && world.vms.get(row.hostname);
  if (!row || !vm) return [];
  const { hostname, email, pin, browsers, command, releasedAt, outcome } = row;
  const known = { id: row.id, hostname, email, pin, browsers, crd_command: command, outcome };
  return [{ ...known, released_at: releasedAt, status: vm.status }];
}

export function change(world: World, id: unknown, changed: Partial<ModelAssignment>): Row[] {
  const row = world.assignments.get(String(id));
  if (row) Object.assign(row, changed);
  return [];
}

export function replaceCommand(world: World, parameters: readonly unknown[]): Row[] {
  const id = parameters.at(-1);
  const number = (world.assignments.get(String(id))?.commandNumber ?? 0) + 1;
  const again = { deliveredAt: null, acknowledgedAt: null, outcome: null, outcomeMessage: null };
  const command = String(parameters[0]);
  return change(world, id, { command, commandNumber: number, commandAt: world.now(), ...again });
}

export function acknowledge(world: World, parameters: readonly unknown[], text: string): Row[] {
  const [ids, hostnames, outcomes, numbers, messages] = parameters as [
    string[],
    string[],
    string[],
    number[],
    string[],
  ];
  return ids.map((id, index): Row => {
    const place = index + 1;
    const row = world.assignments.get(id);
    if (!row || row.hostname !== hostnames[index]) return { place, result: 'unknown' };
    if (text.includes('skip locked') && world.isLocked()) return { place, result: null };
    if (row.releasedAt !== null) return { place, result: 'released' };
    if (numbers[index] !== undefined && numbers[index] !== row.commandNumber)
      return { place, result: 'replaced' };
    row.deliveredAt ??= world.now();
    Object.assign(row, {
      acknowledgedAt: world.now(),
      outcome: outcomes[index],
      outcomeMessage: messages[index] ?? null,
    });
    return { place, result: 'recorded' };
  });
}

export function release(world: World, [id]: readonly unknown[]): Row[] {
  const row = world.assignments.get(String(id));
  if (!row || !isLive(row)) return [];
  row.releasedAt = world.now();
  return [{ email: row.email }];
}

export function hostnameOf(world: World, [id]: readonly unknown[]): Row[] {
  const row = world.assignments.get(String(id));
  return row ? [{ hostname: row.hostname }] : [];
}
