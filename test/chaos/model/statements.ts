// What the statements of src/db mean in the model, found by a part of their text. A statement that is not known is an error:
// whoever changes one changes its meaning here too. The statuses are read from the statement, so they are those of the table.
import { readVmStatus } from '../../../src/vms/lifecycle.ts';
import {
  acknowledge,
  assignmentRecord,
  change,
  hostnameOf,
  isLive,
  liveAssignment,
  release,
  replaceCommand,
} from './assignment-statements.ts';
import {
  appendLogs,
  appendLogsTogether,
  endLease,
  lease,
  notify,
  statusesIn,
  take,
  texts,
  withDelivery,
  type Row,
} from './delivery-statements.ts';
import {
  countUnreserved,
  findPlace,
  isListInUse,
  joinAgain,
  joinAlone,
  joinTogether,
  leaveList,
  notePages,
  openPlace,
  placeOf,
  removeServed,
  reserve,
  reservedFor,
  whoWaits,
} from './waiting-statements.ts';
import { isFreeVm, isUnreserved, type ModelAssignment, type ModelVm, type World } from './world.ts';

type Statement = {
  readonly part: string;
  /** Two of them may want the same row. */
  readonly canConflict?: true;
  readonly run: (world: World, parameters: readonly unknown[], text: string) => readonly Row[];
};

/** A statement, and its text in one line. */
export type Known = Statement & { readonly text: string };
const known = new Map<string, Known>();

/** Statements of a kind have the same text, of which there are a few dozen. */
export function findStatement(sql: string): Known | null {
  const before = known.get(sql);
  if (before) return before;
  const text = sql.replace(/\s+/g, ' ');
  const statement = statements.find(({ part }) => text.includes(part));
  if (!statement) return null;
  const found = { ...statement, text };
  known.set(sql, found);
  return found;
}

/** The order matters: the first that matches is it. */
const statements: readonly Statement[] = [
  { part: `nextval('waiting_list_position') as position from`, canConflict: true, run: joinTogether },
  { part: 'insert into waiting_list (id, email, browsers, code, wants_mail) select', run: joinAlone },
  { part: 'select "id", "code", "browsers", "code_failures"', run: openPlace },
  { part: 'update "waiting_list" set "left_at"', run: joinAgain },
  { part: 'insert into waiting_presence as p (id, best_estimate_step)', run: notePages },
  { part: 'from "waiting_list" as "w"', run: findPlace },
  { part: 'select "id" from "waiting_list" where "left_at" is null limit', run: isListInUse },
  { part: 'select count(*) as "count" from "vms" where ((vms.assignment_id is null', run: countUnreserved },
  { part: 'delete from waiting_list w where exists', run: removeServed },
  { part: 'with held as', run: reserve },
  // Nothing is launched, and no estimate is shown.
  { part: 'select launch.starting', run: () => [] },
  { part: 'given (id, email, browser_id', canConflict: true, run: claim },
  { part: 'given (hostname, boot_id, boot_address', run: seen },
  { part: 'given (id, hostname, outcome, command_number', run: acknowledge },
  { part: 'given (hostname, status, boot_id, uptime_ms)', run: changeStatuses },
  { part: 'with due as', canConflict: true, run: take },
  { part: 'left join waiting_list w on w.email = given.email', run: claimable },
  { part: `set_config('lock_timeout', $1`, run: () => [] },
  { part: 'select pg_notify(', run: notify },
  { part: 'update vms v set status = case', run: transition },
  { part: 'insert into vm_presence (hostname, last_seen_at, confirms', run: lease },
  { part: 'with ended as', run: endLease },
  { part: 'select "id", "hostname", "pin", "browsers"', run: liveAssignment },
  { part: 'from "assignments" as "a" inner join "vms" as "v"', run: assignmentRecord },
  {
    part: 'update "assignments" set "browsers"',
    run: (world, [browsers, , , , id]) => change(world, id, { browsers: texts(browsers) }),
  },
  { part: 'update "assignments" set "crd_command"', run: replaceCommand },
  { part: 'update "assignments" set "released_at"', run: release },
  { part: 'select "hostname" from "assignments" where "id"', run: hostnameOf },
  { part: 'select from vms where hostname = $1 for no key update', run: () => [] },
  { part: 'select "v"."hostname", "v"."assignment_id" from "vms"', run: pendingRecycle },
  { part: 'select "v"."hostname" from "vms" as "v" inner join "assignments"', run: withDelivery },
  { part: 'select "status" from "vms"', run: statusOf },
  { part: 'select "hostname" from "vms" where "hostname" = $1 and "assignment_id" is null', run: isReset },
  { part: 'insert into "vms"', run: addVm },
  { part: 'from unnest($1::text[]) as given (hostname) left join vms', run: statusesOf },
  { part: 'from "tombstones"', run: () => [] },
  {
    part: 'select count(*) as "count" from "vms" where "token_hash" is null',
    run: ({ vms }) => [{ count: vms.size }],
  },
  { part: 'pg_try_advisory_xact_lock', run: appendLogsTogether },
  { part: 'with locked as materialized', run: appendLogs },
  // There is one transaction at a time.
  { part: 'select pg_advisory_xact_lock(', run: () => [] },
  // The limit is never reached.
  { part: 'delete from vm_logs using sized', run: () => [] },
];

function claim(world: World, parameters: readonly unknown[], text: string): Row[] {
  const [ids, emails, browsers, commands, pins] = parameters.map(texts);
  const isSkipping = text.includes('skip locked');
  return (emails ?? []).flatMap((email, index): Row[] => {
    const had = [...world.assignments.values()].find((row) => row.email === email && isLive(row));
    if (had && world.sabotage !== 'a claim forgets the machine that the e-mail has')
      return [{ place: index + 1, outcome: 'live', id: had.id, hostname: had.hostname, pin: had.pin }];
    const vm = machineFor(world, { email, browser: browsers?.[index] ?? '', isSkipping });
    if (!vm) return [];
    const row: ModelAssignment = {
      id: ids?.[index] ?? '',
      hostname: vm.hostname,
      email,
      pin: pins?.[index] ?? '',
      browsers: [browsers?.[index] ?? ''],
      command: commands?.[index] ?? '',
      assignedAt: world.now(),
      commandNumber: 1,
      commandAt: world.now(),
      deliveredAt: null,
      acknowledgedAt: null,
      outcome: null,
      outcomeMessage: null,
      releasedAt: null,
    };
    world.assignments.set(row.id, row);
    Object.assign(vm, { assignmentId: row.id, reservedFor: null, reservedUntil: null });
    leaveList(world, email);
    world.notifications.push({ kind: 'command', hostname: vm.hostname });
    return [{ place: index + 1, outcome: 'given', id: row.id, hostname: row.hostname, pin: row.pin }];
  });
}

type Asking = { readonly email: string; readonly browser: string; readonly isSkipping: boolean };

/** Who is on the list gets the machine that is reserved for them; others get none while somebody waits. */
function machineFor(world: World, { email, browser, isSkipping }: Asking): ModelVm | undefined {
  const place = placeOf(world, email);
  if (place?.leftAt !== null || world.sabotage === 'a newcomer passes those who wait') {
    const mayClaim = whoWaits(world).length === 0 || world.sabotage === 'a newcomer passes those who wait';
    return mayClaim ? firstFree(world, isSkipping) : undefined;
  }
  const vm = place.browsers.includes(browser) ? reservedFor(world, place) : undefined;
  return vm && isFreeVm(vm) && !(isSkipping && world.isLocked()) ? vm : undefined;
}

/** Those that wait first. */
function firstFree(world: World, isSkipping: boolean): ModelVm | undefined {
  const isTaken = world.sabotage === 'a claim takes a machine that somebody has';
  const free = [...world.vms.values()].filter(
    (vm) => (isTaken ? vm.status === 'running' : isUnreserved(vm)) && !(isSkipping && world.isLocked()),
  );
  const waits = ({ hostname }: ModelVm): boolean => {
    const presence = world.presence.get(hostname);
    return presence?.available === true && (presence.waitingUntil ?? 0) > world.now();
  };
  return free.find(waits) ?? free[0];
}

/** Of those who were refused: for whom there is a machine, locked or not. */
function claimable(world: World, [emails, browsers]: readonly unknown[]): Row[] {
  if (world.sabotage === 'no machine is found to be free') return [];
  return texts(emails).flatMap((email, index) => {
    const place = placeOf(world, email);
    const isOn = place !== undefined && place.leftAt === null;
    const vm = isOn
      ? place.browsers.includes(texts(browsers)[index] ?? '') && reservedFor(world, place)
      : whoWaits(world).length === 0 && [...world.vms.values()].find(isUnreserved);
    return vm && isFreeVm(vm) ? [{ email }] : [];
  });
}

/** One event, for one VM. */
function transition(world: World, parameters: readonly unknown[], text: string): Row[] {
  const hostname = String(parameters[0]);
  return changeStatus(world, hostname, text, parameters) ? [{ hostname }] : [];
}

function changeStatus(world: World, hostname: string, text: string, parameters: readonly unknown[]): boolean {
  const vm = world.vms.get(hostname);
  if (!vm || !statusesIn(text).includes(vm.status)) return false;
  const event = /status_event = '([a-z-]+)'/.exec(text)?.[1] ?? '';
  if (!concerns(world, event, vm, parameters)) return false;
  const next = new Map(
    [...text.matchAll(/when '([a-z]+)' then '([a-z]+)'/g)].map(([, from, to]) => [from, to]),
  );
  vm.status = readVmStatus(next.get(vm.status) ?? vm.status);
  if (event === 'reset' && world.sabotage !== 'a reset does not free the machine') vm.assignmentId = null;
  return true;
}

/** Several reports, each of one VM: answered with the statuses before. */
function changeStatuses(world: World, parameters: readonly unknown[], text: string): Row[] {
  const [hostnames = [], statuses = [], boots = [], uptimes = []] =
    parameters as readonly (readonly unknown[])[];
  const updates = text.split(/"news_\d+" as/).slice(1);
  const kinds = [...new Set(statuses)];
  const isSkipping = text.includes('skip locked');
  return hostnames.flatMap((hostname, index): Row[] => {
    const vm = world.vms.get(String(hostname));
    if (!vm) return [];
    const row = { hostname: vm.hostname, status: vm.status };
    const boot = (boots as readonly (string | null)[])[index] ?? null;
    const uptimeMs = Number(uptimes[index]);
    if (boot !== null && isLate(world, vm, boot, uptimeMs))
      return [{ ...row, isSettled: false, isLate: true }];
    if (isSkipping && world.isLocked()) return [{ ...row, isSettled: false, isLate: false }];
    const update = updates[kinds.indexOf(statuses[index])] ?? '';
    const isChanged = changeStatus(world, vm.hostname, update, []);
    if (boot !== null) {
      vm.reportedBoot = boot;
      vm.reportedUptimeMs = uptimeMs;
    }
    return [{ ...row, isSettled: isChanged || boot !== null, isLate: false }];
  });
}

function isLate({ sabotage }: World, vm: ModelVm, boot: string, uptimeMs: number): boolean {
  if (sabotage === 'an older status replaces a newer one') return false;
  return boot === vm.reportedBoot && uptimeMs <= vm.reportedUptimeMs;
}

/** The conditions beside the status. */
function concerns(world: World, event: string, vm: ModelVm, [, assignmentId]: readonly unknown[]): boolean {
  if (event === 'release') return vm.assignmentId === assignmentId;
  // Nobody is silent here.
  if (event === 'response') return false;
  if (event !== 'reset') return true;
  if (assignmentId !== null && vm.assignmentId !== assignmentId) return false;
  const held = world.assignments.get(vm.assignmentId ?? '');
  return vm.assignmentId === null
    ? vm.status === 'recycling'
    : held?.releasedAt !== null && held !== undefined;
}

function seen(world: World, [hostnames]: readonly unknown[]): Row[] {
  return texts(hostnames).flatMap((hostname) => {
    const vm = world.vms.get(hostname);
    if (!vm) return [];
    const isTold = world.sabotage !== 'the status of an earlier boot stays';
    const { reportedBoot, reportedUptimeMs } = vm;
    return [
      {
        hostname,
        isSeen: true,
        twinAddress: null,
        reportedBootId: isTold ? reportedBoot : null,
        reportedUptimeMs,
      },
    ];
  });
}

function pendingRecycle(world: World, [hostnames]: readonly unknown[], text: string): Row[] {
  return texts(hostnames).flatMap((hostname) => {
    const vm = world.vms.get(hostname);
    if (!vm || !statusesIn(text).includes(vm.status)) return [];
    const held = world.assignments.get(vm.assignmentId ?? '');
    const isAsked = vm.status === 'recycling' || (held !== undefined && held.releasedAt !== null);
    return isAsked ? [{ hostname, assignment_id: vm.assignmentId }] : [];
  });
}

function statusOf(world: World, [hostname]: readonly unknown[]): Row[] {
  const vm = world.vms.get(String(hostname));
  return vm ? [{ status: vm.status }] : [];
}

function isReset(world: World, [hostname]: readonly unknown[]): Row[] {
  const vm = world.vms.get(String(hostname));
  return vm && vm.assignmentId === null && vm.status !== 'recycling' ? [{ hostname: vm.hostname }] : [];
}

function addVm(world: World, parameters: readonly unknown[]): Row[] {
  const [hostname = ''] = parameters.map(String);
  if (world.vms.has(hostname)) return [];
  const status = parameters
    .map(String)
    .find((text) => text === 'initializing' || text === 'running' || text === 'error');
  world.vms.set(hostname, {
    hostname,
    status: readVmStatus(status ?? ''),
    assignmentId: null,
    reservedFor: null,
    reservedUntil: null,
    freeSince: null,
    reportedBoot: null,
    reportedUptimeMs: 0,
  });
  return [{ hostname }];
}

function statusesOf(world: World, [hostnames]: readonly unknown[]): Row[] {
  return texts(hostnames).map((hostname) => ({ hostname, status: world.vms.get(hostname)?.status ?? null }));
}
