// One run of the model: a seed in, broken invariants out. The real dispatcher, groups, claims, deliveries, resets and lifecycle
// of the product run on rows in memory, with the real agent at the other end, in time that the model lets pass.
import { createDraw, type Draw } from '../../support/draw.ts';
import type { Evidence } from '../evidence.ts';
import { brokenAlways, brokenInTheEnd, type Broken } from '../invariants.ts';
import { createModelAllocator, type ModelAllocator } from './allocator.ts';
import { installClock, type Clock } from './clock.ts';
import type { ModelServer, Weather } from './database.ts';
import { createModelMachine, type ModelMachine } from './machine.ts';
import { createNetwork, LEFT, type Network, type NetworkWeather } from './network.ts';
import { createPerson, type ModelPerson } from './people.ts';
import { createWorld, type Sabotage, type World } from './world.ts';

export type ModelResult = {
  readonly broken: readonly Broken[];
  /** What happened, with its time. */
  readonly history: readonly string[];
  readonly statements: number;
};

const AGENTS = 2;
const PEOPLE = 6;
const WINDOW_MS = 15_000;
const FAULTS = 10;
/** No fault lasts longer, but for a listener that is deaf. */
const DOWN_MS = 6_000;
/** No process starts sooner. */
const START_MS = 50;
const SETTLE_MS = 400_000;
const LOOK_EVERY_MS = 3_000;
/** What is held up has arrived, and leases are ended at once; those of an allocator that has died run out later than this. */
const LEAVE_MS = 20_000;
const LEASES_MS = 40_000;

type Stage = {
  readonly clock: Clock;
  readonly draw: Draw;
  readonly world: World;
  readonly network: Network;
  readonly weather: { readonly database: Weather; readonly network: NetworkWeather };
  readonly allocators: Slot[];
  readonly machines: readonly ModelMachine[];
  readonly people: readonly ModelPerson[];
};

/** Where an allocator runs, or is down. */
type Slot = { allocator: ModelAllocator | null; isDeaf: boolean };

export async function runModel(seed: number, sabotage: Sabotage | null = null): Promise<ModelResult> {
  const draw = createDraw(seed);
  const random = createDraw(~seed);
  using clock = installClock(() => random.below(2 ** 30) / 2 ** 30);
  const stage = setStage(clock, draw, sabotage);
  const history = await perform(stage);
  await endFaults(stage);
  const broken = await settle(stage);
  broken.push(...(await leave(stage)));
  return { broken, history, statements: stage.world.step };
}

function setStage(clock: Clock, draw: Draw, sabotage: Sabotage | null): Stage {
  const weather = {
    database: { isDown: false, lostBefore: 0, lostAnswer: 0, conflict: 0, delayMs: 5 },
    network: { lostRequest: 0, lostAnswer: 0, heldUp: 0, delayMs: 10 },
  };
  const allocators: Slot[] = [];
  const world = createWorld({ now: clock.now, isLocked: () => draw.chance(0.1), sabotage });
  const server: ModelServer = {
    world,
    clock,
    draw,
    weather: weather.database,
    transaction: null,
    notified: (notice) => {
      for (const { allocator, isDeaf } of allocators)
        if (!isDeaf) void clock.sleep(draw.below(20)).then(() => allocator?.onNotice(notice));
    },
  };
  let starts = 0;
  const open = (): Slot => ({
    allocator: createModelAllocator(server, `allocator-${++starts}`),
    isDeaf: false,
  });
  allocators.push(open(), open());
  const alive = (): ModelAllocator[] => allocators.flatMap(({ allocator }) => allocator ?? []);
  const network = createNetwork({ clock, draw, weather: weather.network, allocators: alive });
  const around = { clock, draw, network, world };
  const machines = [
    ...Array.from({ length: AGENTS }, (_, index) => createModelMachine(`vm-${index + 1}`, 'agent', around)),
    createModelMachine('published-1', 'published', around),
  ];
  const people = Array.from({ length: PEOPLE }, (_, index) =>
    createPerson(`p${index + 1}@example.org`, around),
  );
  return {
    clock,
    draw,
    world,
    network,
    weather,
    allocators,
    machines,
    people,
    restart: (slot) => Object.assign(slot, open()),
  } as Stage & Restarting;
}

type Restarting = { readonly restart: (slot: Slot) => void };

/** Faults by name; each returns what undoes it, at the latest when the faults are over. */
const faults: Readonly<Record<string, (stage: Stage & Restarting) => void>> = {
  'the database is away': ({ weather, clock, draw }) => {
    weather.database.isDown = true;
    void clock.sleep(draw.below(DOWN_MS)).then(() => (weather.database.isDown = false));
  },
  'statements are lost': ({ weather, draw }) => void (weather.database.lostBefore = draw.below(30) / 100),
  'answers of the database are lost': ({ weather, draw }) =>
    void (weather.database.lostAnswer = draw.below(20) / 100),
  'statements conflict': ({ weather, draw }) => void (weather.database.conflict = draw.below(40) / 100),
  'the database is slow': ({ weather, draw }) => void (weather.database.delayMs = draw.below(400)),
  'requests are lost': ({ weather, draw }) => void (weather.network.lostRequest = draw.below(30) / 100),
  'answers are lost': ({ weather, draw }) => void (weather.network.lostAnswer = draw.below(30) / 100),
  'the network is slow': ({ weather, draw }) => void (weather.network.delayMs = draw.below(800)),
  'all is well': ({ weather }) => clear(weather),
  'connections are cut': ({ network, draw }) => network.cut(draw.oneOf([0.3, 1]), draw.oneOf([0, 0, 20_000])),
  'an allocator is killed': (stage) => void endAllocator(stage, 'kill'),
  'an allocator is stopped': (stage) => void endAllocator(stage, 'stop'),
  'a listener is deaf': ({ allocators, clock, draw }) => {
    const slot = draw.oneOf(allocators as [Slot, ...Slot[]]);
    slot.isDeaf = true;
    void clock.sleep(draw.below(10_000)).then(() => hear(slot));
  },
  'an agent is killed': ({ machines, clock, draw }) => {
    const machine = machines[draw.below(machines.length)];
    const isReboot = draw.chance(0.5);
    machine?.kill();
    void clock.sleep(START_MS + draw.below(5_000)).then(() => machine?.start(isReboot));
  },
  'a machine reboots while requests are held up': ({ machines, network, weather, clock, draw }) => {
    const machine = machines[draw.below(AGENTS)];
    const reboot = (): void => {
      machine?.kill();
      machine?.start(true);
    };
    weather.network.heldUp = draw.below(100) / 100;
    reboot();
    void clock.sleep(draw.below(3_000)).then(() => {
      weather.network.heldUp = 0;
      // What is held up comes after the reports of the next boot, or after its second try.
      draw.oneOf([reboot, () => network.cut(1, 0)])();
    });
  },
  'somebody is released': (stage) => void release(stage),
  'somebody comes back': ({ people, draw, clock }) => {
    const leaving = new AbortController();
    void clock.sleep(5_000).then(() => leaving.abort(LEFT));
    void people[draw.below(people.length)]?.comeBack(leaving.signal);
  },
  'a poll is doubled': ({ network, machines, draw, clock }) => {
    const hostname = machines[draw.below(machines.length)]?.hostname ?? '';
    const leaving = new AbortController();
    void clock.sleep(draw.below(1_500)).then(() => leaving.abort(LEFT));
    const poll = { body: { hostname, confirms: true } };
    network
      .send(async ({ handlers }, signal) => handlers.vmStartup({ ...poll, signal } as never), leaving.signal)
      .catch(() => undefined);
  },
};
const faultNames = Object.keys(faults);

function hear(slot: Slot): void {
  slot.isDeaf = false;
  void slot.allocator?.readAll();
}

async function endAllocator(stage: Stage & Restarting, how: 'kill' | 'stop'): Promise<void> {
  const { allocators, network, clock, draw } = stage;
  const slot = draw.oneOf(allocators as [Slot, ...Slot[]]);
  const { allocator } = slot;
  if (!allocator) return;
  slot.allocator = null;
  const ended = allocator[how]();
  network.cutAllOf(allocator);
  await ended;
  await clock.sleep(draw.below(4_000));
  stage.restart(slot);
}

/** Agents only: a published one cannot reset its machine. */
async function release({ world, network, draw }: Stage): Promise<void> {
  const held = [...world.assignments.values()].filter(
    ({ releasedAt, hostname }) => releasedAt === null && hostname.startsWith('vm-'),
  );
  const id = held[draw.below(Math.max(1, held.length))]?.id;
  if (id === undefined) return;
  await network
    .send((allocator) => allocator.release(id), new AbortController().signal)
    .catch(() => undefined);
}

function clear({ database, network }: Stage['weather']): void {
  Object.assign(database, { isDown: false, lostBefore: 0, lostAnswer: 0, conflict: 0, delayMs: 5 });
  Object.assign(network, { lostRequest: 0, lostAnswer: 0, heldUp: 0, delayMs: 10 });
}

async function perform(stage: Stage): Promise<string[]> {
  const { clock, draw, machines, people } = stage;
  const history: string[] = [];
  const started = clock.now();
  for (const machine of machines) void clock.sleep(draw.below(1_000)).then(() => machine.start(true));
  const leaving = new AbortController();
  for (const person of people)
    void person.join(draw.chance(0.5) ? 2_000 : draw.below(WINDOW_MS), leaving.signal);
  const times = Array.from({ length: FAULTS }, () => draw.below(WINDOW_MS)).sort((a, b) => a - b);
  for (const at of times) {
    await clock.runUntil(started + at);
    const name = faultNames[draw.below(faultNames.length)] ?? '';
    history.push(`${String(at).padStart(6)} ms  ${name}`);
    faults[name]?.(stage as Stage & Restarting);
    machines[draw.below(AGENTS)]?.writeLog(1 + draw.below(4));
  }
  await clock.runUntil(started + WINDOW_MS);
  leaving.abort(LEFT);
  return history;
}

async function endFaults({ clock, weather, allocators, machines }: Stage): Promise<void> {
  clear(weather);
  // What was down comes up by itself.
  await clock.runUntil(clock.now() + DOWN_MS);
  await clock.runUntil(clock.now() + DOWN_MS, () => allocators.every(({ allocator }) => allocator !== null));
  clear(weather);
  for (const slot of allocators) hear(slot);
  for (const machine of machines) machine.start(false);
}

async function settle(stage: Stage): Promise<Broken[]> {
  const { clock, people } = stage;
  const limit = clock.now() + SETTLE_MS;
  const leaving = new AbortController();
  for (const person of people) void person.comeBack(leaving.signal);
  for (;;) {
    await clock.runUntil(clock.now() + LOOK_EVERY_MS);
    const evidence = collect(stage);
    const never = [...brokenAlways(evidence), ...falseFull(stage), ...stage.world.brokenByCommits];
    const notYet = brokenInTheEnd(evidence);
    const isOver = never.length > 0 || notYet.length === 0 || clock.now() > limit;
    if (!isOver) continue;
    leaving.abort(LEFT);
    return never.length > 0 ? never : notYet;
  }
}

function falseFull({ people }: Stage): Broken[] {
  return people.flatMap(({ email, falseFull: hostnames }) =>
    hostnames.map((hostname) => ({
      invariant: 'a machine is full for nobody while it is free',
      evidence: `${email} was told that all are taken, while ${hostname} was free`,
    })),
  );
}

/** The same evidence as of a real run; the database keeps no history here, and needs none. */
function collect({ world, machines, people }: Stage): Evidence {
  const assignments = [...world.assignments.values()].map((row) => ({
    ...row,
    assignedAt: row.assignedAt,
    waitsForCommand: false,
  }));
  return {
    rows: {
      assignments,
      vms: [...world.vms.values()],
      events: [],
      moves: [],
      operations: [],
      logs: [...world.logs].map(([hostname, lines]) => ({ hostname, lines: lines.map(({ line }) => line) })),
      waiting: [],
      connections: 0,
    },
    machines: machines.map(({ hostname, kind, interruptions, linesWritten, runs }) => ({
      hostname,
      kind,
      interruptions,
      linesWritten,
      delivered: runs.map((run) => ({ hostname, ...run })),
      stateFiles: [],
    })),
    participants: people,
    logViews: [],
    problems: [...new Set(world.problems)],
  };
}

/** Everybody leaves: nothing may wait any more. */
async function leave({ clock, world, network, allocators, machines }: Stage): Promise<Broken[]> {
  for (const machine of machines) machine.kill();
  network.cut(1, 0);
  await clock.runUntil(clock.now() + LEAVE_MS);
  const waiting =
    allocators.reduce((sum, { allocator }) => sum + (allocator?.waiting() ?? 0), 0) + network.open();
  const alive = allocators.flatMap(({ allocator }) => allocator?.id ?? []);
  const held = () => [...world.presence].filter(([, { waitingUntil }]) => (waitingUntil ?? 0) > clock.now());
  const leases = held().filter(([, { waitsAt }]) => alive.includes(waitsAt ?? ''));
  await clock.runUntil(clock.now() + LEASES_MS);
  leases.push(...held());
  for (const { allocator } of allocators)
    await Promise.all([allocator?.stop(), clock.runUntil(clock.now() + 1_000)]);
  // The last pauses of clients that have left.
  await clock.runUntil(clock.now() + 120_000);
  const timers = clock.timers();
  return [
    ...leases.map(([hostname]) => ({
      invariant: 'no machine waits',
      evidence: `${hostname} has left, but its lease says that it waits`,
    })),
    ...(waiting > 0 ? [{ invariant: LEAK, evidence: `${waiting} requests wait` }] : []),
    ...(timers > 0 ? [{ invariant: LEAK, evidence: `${timers} timers are left` }] : []),
  ];
}
const LEAK = 'no waiter, socket, timer or file is leaked';
