// One run: machines and participants of its own, a schedule of faults, time to recover, and the invariants.
import { mkdir, rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createDraw } from '../support/draw.ts';
import { createAdmin, type LogView } from './admins.ts';
import { CONNECTIONS_MAX } from './allocators.ts';
import { readHeld, readRows, type Aftermath, type Evidence } from './evidence.ts';
import { carryOut, endFaults, type Targets } from './faults.ts';
import { brokenAfterwards, brokenAlways, brokenInTheEnd, type Broken } from './invariants.ts';
import { createAgentHost, startPublishedMachine, type Machine } from './machines.ts';
import { comeBackAll, createParticipant, type Participant } from './participants.ts';
import { processesOf } from './processes.ts';
import { drawSchedule, type Schedule } from './schedule.ts';
import { readHolding, type Session } from './session.ts';

export type RunOptions = {
  readonly seed: number;
  /** How long faults go on. */
  readonly windowMs: number;
  /** Also faults after which both sides need half a minute to give up. */
  readonly isDeep: boolean;
  /** Ends the run soon. */
  readonly signal: AbortSignal;
};

export type RunResult = {
  readonly schedule: Schedule;
  readonly broken: readonly Broken[];
  readonly figures: Readonly<Record<string, number>>;
};

/** So many that some find all machines taken. */
const PEOPLE = 16;
const HOSTS = 2;
const AGENTS_PER_HOST = 4;
const PUBLISHED = 2;
const SPARES = 2;
/** How long everything may take that has to happen after the last fault; half-open connections need 20 s to be given up. */
const SETTLE_MS = { quick: 90_000, deep: 180_000 } as const;
const BOOT_MS = 120_000;
const LOG_EVERY_MS = 150;
const POLL_MS = 200;
const LEAVE_MS = 30_000;
const LEASES_MS = 40_000;

export async function runOnce(session: Session, options: RunOptions): Promise<RunResult> {
  const { seed, windowMs, isDeep, signal } = options;
  const schedule = drawSchedule(seed, windowMs, isDeep);
  const startedMs = performance.now();
  const cast = await openCast(session, seed);
  const { targets, participants, machines } = cast;
  const broken: Broken[] = [];
  try {
    await booted(session, cast);
    const stopJoining = new AbortController();
    const joining = joinAll(participants, schedule, stopJoining.signal);
    const logging = writeLogs(machines, windowMs);
    cast.problems.push(...(await carryOut(targets, schedule)));
    await endFaults(targets, isDeep);
    stopJoining.abort();
    await Promise.all([joining, logging]);
    broken.push(
      ...(await settle(
        session,
        cast,
        AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS[isDeep ? 'deep' : 'quick'])]),
      )),
    );
  } finally {
    await cast[Symbol.asyncDispose]();
  }
  if (broken.length === 0) broken.push(...(await afterwards(session, targets)));
  return { schedule, broken, figures: figuresOf(cast, performance.now() - startedMs) };
}

export type Cast = AsyncDisposable & {
  readonly targets: Targets;
  readonly machines: readonly Machine[];
  readonly participants: readonly Participant[];
  readonly logView: LogView & { readonly hostname: string };
  readonly problems: string[];
};

/** Everybody who takes part. */
export async function openCast(session: Session, seed: number): Promise<Cast> {
  await using stack = new AsyncDisposableStack();
  const { url, allocators, postgres, networks } = session;
  const draw = createDraw(seed ^ 0x5eed);
  const prefix = `r${seed}`;
  const folder = join(session.folder, `machines-${seed}`);
  await mkdir(folder);
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const spares = named(`${prefix}-spare`, SPARES);
  const admin = createAdmin(url, spares);
  for (const hostname of spares) await admin.register(hostname);
  const hosts = await Promise.all(
    named(`${prefix}-host`, HOSTS).map((name) =>
      createAgentHost(folder, url, named(`${name}-vm`, AGENTS_PER_HOST)),
    ),
  );
  for (const host of hosts) {
    stack.use(host);
    host.start({ reboot: true, skewMs: 0 });
  }
  const published = await Promise.all(
    named(`${prefix}-published`, PUBLISHED).map((name) => startPublishedMachine(folder, url, name)),
  );
  for (const machine of published) stack.use(machine);
  const machines = [...hosts.flatMap((host) => host.machines), ...published.map(({ machine }) => machine)];
  const participants = named(`${prefix}-person`, PEOPLE).map((name) =>
    createParticipant(url, `${name}@example.org`, draw),
  );
  const watched = hosts[0]?.machines[0]?.hostname ?? '';
  const logView = { hostname: watched, ...follow(admin, watched, stack) };
  const rest = stack.move();
  return {
    targets: { url, allocators, postgres, networks, hosts, published, machines, admin },
    machines,
    participants,
    logView,
    problems: [],
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** The admin looks on until the cast leaves. */
function follow(
  admin: ReturnType<typeof createAdmin>,
  hostname: string,
  stack: AsyncDisposableStack,
): LogView {
  const looking = new AbortController();
  const watching = admin.watch(looking.signal);
  const view = admin.followLog(hostname, looking.signal);
  stack.defer(async () => {
    looking.abort();
    await Promise.all([watching, view.done]);
  });
  return view;
}

function named(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
}

/** Everything begins with machines that wait. */
export async function booted({ postgres }: Session, { machines, targets }: Cast): Promise<void> {
  const limit = performance.now() + BOOT_MS;
  const names = machines.map(({ hostname }) => hostname);
  for (;;) {
    const { vms } = await readRows(postgres.db);
    const running = vms.flatMap(({ hostname, status }) => (status === 'running' ? [hostname] : []));
    const missing = names.filter((name) => !running.includes(name));
    if (missing.length === 0) return;
    const problems = targets.hosts.flatMap((host) => host.problems);
    if (problems.length > 0 || performance.now() > limit)
      throw new Error(
        `These machines do not report: ${JSON.stringify({ missing, problems, vms, load: loadavg() })}`,
      );
    await delay(POLL_MS);
  }
}

/** Half of the people in the first second, the others one after the other. */
async function joinAll(
  participants: readonly Participant[],
  { seed, windowMs }: Schedule,
  signal: AbortSignal,
): Promise<void> {
  const draw = createDraw(seed + 1);
  await Promise.all(
    participants.map((participant, index) =>
      participant.join(index % 2 === 0 ? draw.below(1_000) : draw.below(windowMs), signal),
    ),
  );
}

async function writeLogs(machines: readonly Machine[], windowMs: number): Promise<void> {
  const startedMs = performance.now();
  for (let turn = 0; performance.now() - startedMs < windowMs; turn++) {
    const machine = machines[turn % machines.length];
    if (machine?.kind === 'agent') await machine.writeLog(1 + (turn % 7));
    await delay(LOG_EVERY_MS / HOSTS);
  }
}

/** Waits until everything is as it must be in the end; what is still broken then, is. */
async function settle(session: Session, cast: Cast, signal: AbortSignal): Promise<Broken[]> {
  await session.postgres.ready(signal);
  const isOver = new AbortController();
  const asking = comeBackAll(cast.participants, AbortSignal.any([signal, isOver.signal]));
  try {
    for (;;) {
      const evidence = await collectEvidence(session, cast).catch(() => null);
      if (evidence) {
        const never = brokenAlways(evidence);
        const notYet = brokenInTheEnd(evidence);
        if (never.length > 0) return never;
        if (notYet.length === 0 || signal.aborted) return notYet;
      } else if (signal.aborted) {
        return [{ invariant: 'the database answers after the faults', evidence: 'it does not' }];
      }
      await delay(POLL_MS);
    }
  } finally {
    isOver.abort();
    await asking;
  }
}

async function collectEvidence(session: Session, cast: Cast): Promise<Evidence> {
  const { machines, participants, logView, problems, targets } = cast;
  // The order matters: what a client saw must be in the rows that are read after it.
  const seen = participants.map(({ email, code, answers }) => ({ email, code, answers: [...answers] }));
  const logViews = [{ hostname: logView.hostname, lines: [...logView.lines] }];
  const rows = await readRows(session.postgres.db);
  return {
    rows,
    machines: await Promise.all(
      machines.map(async ({ hostname, kind, interruptions, linesWritten, delivered, stateFiles }) => ({
        hostname,
        kind,
        interruptions,
        linesWritten,
        delivered: await delivered(),
        stateFiles: await stateFiles(),
      })),
    ),
    participants: seen,
    logViews,
    problems: [...problems, ...targets.hosts.flatMap((host) => host.problems)],
  };
}

/** Everybody has left: all machines are destroyed, and nothing may remain. */
async function afterwards(session: Session, { admin, allocators }: Targets): Promise<Broken[]> {
  const { postgres, networks, folder, before } = session;
  // Of an allocator that was killed, leases run out by themselves.
  const leases = AbortSignal.timeout(LEASES_MS);
  while ((await readHeld(postgres.db)).waiting.length > 0 && !leases.aborted) await delay(POLL_MS);
  const { waiting } = await readHeld(postgres.db);
  await admin.destroyAll(AbortSignal.timeout(LEAVE_MS));
  const limit = performance.now() + LEAVE_MS;
  for (;;) {
    // Idle connections of the clients that are left belong to this process.
    networks.http.heal();
    networks.http.reset(networks.http.pairs());
    const aftermath: Aftermath = {
      rows: { ...(await readHeld(postgres.db)), waiting },
      allocators: await Promise.all(
        allocators.map(async (allocator) => ({
          name: allocator.name,
          before,
          after: await readHolding(allocator),
        })),
      ),
      connectionsMax: CONNECTIONS_MAX * allocators.length,
      processes: await processesOf(
        folder,
        allocators.map(({ pid }) => pid),
      ),
    };
    const broken = brokenAfterwards(aftermath);
    if (broken.length === 0 || performance.now() > limit) return broken;
    await delay(POLL_MS * 5);
  }
}

function figuresOf({ participants, machines }: Cast, ms: number): Record<string, number> {
  const answers = participants.flatMap((participant) => participant.answers);
  return {
    seconds: Math.round(ms / 100) / 10,
    answers: answers.length,
    given: answers.filter(({ kind }) => kind === 'given').length,
    'told full': answers.filter(({ kind }) => kind === 'refused').length,
    'log lines': machines.reduce((sum, { linesWritten }) => sum + linesWritten, 0),
  };
}
