// What must be true after every run, whatever has happened. Pure: evidence in, broken invariants out.
import { logLine } from './host-protocol.ts';
import { freeThroughout } from './free-intervals.ts';
import type { Aftermath, AssignmentRow, Evidence, Holding, MachineSeen } from './evidence.ts';

export type Broken = { readonly invariant: string; readonly evidence: string };
type Check<Known> = (known: Known) => readonly string[];

/** True at every moment; a run that breaks one of these is over. */
const always = {
  'no machine has two people': twoPeople,
  'no person has two machines': twoMachines,
  'what a participant was told is what the database has': wrongAnswers,
  'a machine is full for nobody while it is free': falseFull,
  'a participant is never locked out': lockedOut,
  'a machine gets a command once per boot': deliveredTwice,
  'no log line is doubled': doubledLines,
  'a machine that sends heartbeats is not silent': falseSilence,
  'nothing ends by itself': ({ problems }) => problems,
} as const satisfies Record<string, Check<Evidence>>;

/** True once the faults are over and everybody has had time. */
const inTheEnd = {
  'everybody has a machine, or no machine is free': notServed,
  'every assignment is delivered': notDelivered,
  'every machine is free or assigned': stuckMachines,
  'no log line is lost': lostLines,
  'every operation has ended or is marked': openOperations,
} as const satisfies Record<string, Check<Evidence>>;

/** True when the clients have left. */
const afterwards = {
  'no machine waits': ({ rows }) =>
    rows.waiting.map((hostname) => `${hostname} has left, but its lease says that it waits`),
  'no connection to the database is leaked': ({ rows, connectionsMax }) =>
    rows.connections > connectionsMax
      ? [`${rows.connections} connections to the database; at most ${connectionsMax} are needed`]
      : [],
  'no waiter, socket, timer or file is leaked': leaks,
  'memory is back to where it was': memory,
  'no process is left': ({ processes }) => processes,
} as const satisfies Record<string, Check<Aftermath>>;

export const invariantNames: readonly string[] = [always, inTheEnd, afterwards].flatMap((checks) =>
  Object.keys(checks),
);

export const brokenAlways = (evidence: Evidence): Broken[] => run(always, evidence);
export const brokenInTheEnd = (evidence: Evidence): Broken[] => run(inTheEnd, evidence);
export const brokenAfterwards = (aftermath: Aftermath): Broken[] => run(afterwards, aftermath);

function run<Known>(checks: Readonly<Record<string, Check<Known>>>, known: Known): Broken[] {
  return Object.entries(checks).flatMap(([invariant, check]) =>
    check(known).map((evidence) => ({ invariant, evidence })),
  );
}

/** Assignments in the order in which they began. */
const byStart = (rows: readonly AssignmentRow[]) => rows.toSorted((a, b) => a.assignedAt - b.assignedAt);
const describe = ({ email, hostname, id, releasedAt }: AssignmentRow): string =>
  `${email} on ${hostname} (${id}${releasedAt === null ? '' : ', released'})`;

/** When each assignment came to the machine on which it is. */
function startOnMachine({ rows }: Evidence, { hostname, assignedAt }: AssignmentRow): number {
  const moves = rows.moves.filter((move) => move.hostname === hostname && move.at > assignedAt);
  return Math.max(assignedAt, ...moves.map(({ at }) => at));
}

function twoPeople(evidence: Evidence): string[] {
  const { assignments, vms } = evidence.rows;
  const held = Object.entries(Object.groupBy(assignments, ({ hostname }) => hostname)).flatMap(
    ([, rows = []]) => {
      const ordered = rows.toSorted((a, b) => startOnMachine(evidence, a) - startOnMachine(evidence, b));
      return ordered.flatMap((row, index) => {
        const next = ordered[index + 1];
        if (!next || (row.releasedAt ?? Infinity) <= startOnMachine(evidence, next)) return [];
        return [`${describe(row)} and ${describe(next)} at the same time`];
      });
    },
  );
  const unlike = assignments.flatMap((row) => {
    if (row.releasedAt !== null) return [];
    const vm = vms.find(({ hostname }) => hostname === row.hostname);
    return vm?.assignmentId === row.id
      ? []
      : [`${describe(row)}, but the machine has ${vm?.assignmentId ?? 'nobody'}`];
  });
  return [...held, ...unlike];
}

function twoMachines({ rows }: Evidence): string[] {
  // A participant who was moved leaves a released copy behind, with the same start.
  const live = byStart(rows.assignments.filter(({ releasedAt }) => releasedAt === null));
  return live.flatMap((row, index) => {
    const other = live.slice(index + 1).find(({ email }) => email === row.email);
    return other ? [`${describe(row)} and ${describe(other)}`] : [];
  });
}

function wrongAnswers({ rows, participants }: Evidence): string[] {
  const byId = new Map(rows.assignments.map((row) => [row.id, row]));
  return participants.flatMap(({ email, answers }) =>
    answers.flatMap((answer) => {
      if (answer.kind !== 'given') return [];
      const row = byId.get(answer.assignmentId);
      if (row?.email === email && row.pin === answer.pin) return [];
      return [
        `${email} was given ${answer.hostname} (${answer.assignmentId}), the database has ${row ? describe(row) : 'nothing'}`,
      ];
    }),
  );
}

function falseFull(evidence: Evidence): string[] {
  return evidence.participants.flatMap(({ answers }) =>
    answers.flatMap((answer) => {
      if (answer.kind !== 'refused' || answer.code !== 'none_free') return [];
      const free = freeThroughout(evidence.rows, answer.sentAt, answer.answeredAt);
      return free.map(
        (hostname) => `${answer.email} was told that all are taken, while ${hostname} was free`,
      );
    }),
  );
}

/** A browser with its cookie needs no PIN, and what these participants send is valid. */
function lockedOut({ participants }: Evidence): string[] {
  return participants.flatMap(({ email, answers }) => {
    const refused = answers.filter(({ kind }) => kind === 'refused');
    const codes = new Set(refused.flatMap((answer) => ('code' in answer ? [answer.code] : [])));
    return [...codes].filter((code) => code !== 'none_free').map((code) => `${email} was answered ${code}`);
  });
}

function deliveredTwice({ machines }: Evidence): string[] {
  return machines.flatMap(({ kind, delivered }) => {
    if (kind === 'published') return [];
    const runs = Object.values(Object.groupBy(delivered, ({ bootId, command }) => `${bootId} ${command}`));
    return runs.flatMap((same = []) =>
      same.length > 1
        ? [`${same[0]?.hostname} ran command ${same[0]?.command} ${same.length} times in one boot`]
        : [],
    );
  });
}

/** Runs are shorter than the shortest silence. */
function falseSilence({ rows }: Evidence): string[] {
  return rows.events.flatMap(({ hostname, event }) =>
    event === 'silence' ? [`${hostname} was marked as unreachable`] : [],
  );
}

function notServed({ rows, participants }: Evidence): string[] {
  const free = rows.vms.filter(({ status, assignmentId }) => status === 'running' && assignmentId === null);
  if (free.length === 0) return [];
  const live = new Set(
    rows.assignments.flatMap(({ email, releasedAt }) => (releasedAt === null ? [email] : [])),
  );
  return participants.flatMap(({ email }) =>
    live.has(email) ? [] : [`${email} has no machine, while ${free.length} are free`],
  );
}

function notDelivered({ rows, machines }: Evidence): string[] {
  const byName = new Map(machines.map((machine) => [machine.hostname, machine]));
  return rows.assignments.flatMap((row) => {
    if (row.releasedAt !== null) return [];
    if (row.waitsForCommand) return [`${describe(row)} waits for a new command`];
    const machine = byName.get(row.hostname);
    if (!machine) return [`${describe(row)} is on a machine that nobody has started`];
    const why = whyNotDelivered(row, machine);
    return why === null ? [] : [`${describe(row)}, command ${row.commandNumber}: ${why}`];
  });
}

/** An agent that was interrupted while start-host ran does not run it again, but says so. */
function whyNotDelivered(row: AssignmentRow, { kind, delivered, interruptions }: MachineSeen): string | null {
  const code = /--code="([^"]+)"/.exec(row.command)?.[1];
  const reached = delivered.some((run) => run.code === code && run.pin === row.pin);
  if (row.deliveredAt === null) return 'it was never delivered';
  if (kind === 'published') return reached ? null : 'the machine has not received it';
  if (row.outcome === 'registered') return reached ? null : 'acknowledged, but the machine has not run it';
  if (row.outcome === null) return 'nobody has acknowledged it';
  const isKnown =
    interruptions > 0 &&
    /^The agent was (restarted|stopped) while start-host ran/.test(row.outcomeMessage ?? '');
  return isKnown ? null : `it failed: ${row.outcomeMessage}`;
}

function stuckMachines({ rows, machines }: Evidence): string[] {
  return machines.flatMap(({ hostname }) => {
    const vm = rows.vms.find((row) => row.hostname === hostname);
    if (vm?.status !== 'running') return [`${hostname} is ${vm?.status ?? 'unknown'}`];
    const held = rows.assignments.find(({ id }) => id === vm.assignmentId);
    return held && held.releasedAt !== null ? [`${hostname} is held by ${describe(held)}`] : [];
  });
}

function openOperations({ rows }: Evidence): string[] {
  return rows.operations.flatMap(({ id, kind, status }) =>
    status === 'queued' || status === 'running' ? [`the ${kind} ${id} is ${status}`] : [],
  );
}

/** The log of each machine, as stored and as shown to viewers. */
function logs({ rows, logViews }: Evidence) {
  const stored = rows.logs.map((log) => ({ ...log, where: 'stored' }));
  return [...stored, ...logViews.map((log) => ({ ...log, where: 'shown' }))];
}

function doubledLines(evidence: Evidence): string[] {
  return logs(evidence).flatMap(({ hostname, lines, where }) => {
    const doubled = lines.filter((line, index) => lines.indexOf(line) !== index);
    return doubled.length === 0
      ? []
      : [`${hostname}, ${where}: ${doubled.length} lines twice, first "${doubled[0]}"`];
  });
}

function lostLines(evidence: Evidence): string[] {
  const seen = logs(evidence);
  return evidence.machines.flatMap(({ hostname, linesWritten }) => {
    if (linesWritten === 0) return [];
    const views = seen.filter((log) => log.hostname === hostname);
    if (views.length === 0) return [`${hostname}: no line is stored`];
    return views.flatMap(({ lines, where }) => {
      const wrong = Array.from({ length: linesWritten }, (_, index) => logLine(hostname, index + 1)).find(
        (line, index) => lines[index] !== line,
      );
      return wrong === undefined
        ? []
        : [
            `${hostname}, ${where}: "${wrong}" is not at its place among ${lines.length} of ${linesWritten} lines`,
          ];
    });
  });
}

/** Timers: the server has some that come and go. */
const SPARE = { descriptors: 12, sockets: 10, timers: 8 } as const;

function leaks({ allocators }: Aftermath): string[] {
  return allocators.flatMap(({ name, before, after }) => [
    ...(after.waiters > 0 ? [`${name}: ${after.waiters} requests wait, although nobody is there`] : []),
    ...(['descriptors', 'sockets', 'timers'] as const).flatMap((kind) =>
      after[kind] > before[kind] + SPARE[kind]
        ? [`${name}: ${after[kind]} ${kind}, ${before[kind]} before`]
        : [],
    ),
    ...after.files.flatMap((file) =>
      before.files.includes(file) ? [] : [`${name} has left the file ${file}`],
    ),
  ]);
}

/** What the code that was compiled meanwhile and the caches of libraries need. */
const MEMORY_SHARE = 1.15;
const MEMORY_SPARE_BYTES = 4 * 1024 * 1024;

function memory({ allocators }: Aftermath): string[] {
  const mib = ({ heapBytes }: Holding): string => `${(heapBytes / 1024 / 1024).toFixed(1)} MiB`;
  return allocators.flatMap(({ name, before, after }) =>
    after.heapBytes > before.heapBytes * MEMORY_SHARE + MEMORY_SPARE_BYTES
      ? [`${name}: ${mib(after)}, ${mib(before)} before`]
      : [],
  );
}
