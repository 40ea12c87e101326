// What happens in a run, and when: drawn from its seed. Pure.
import { createDraw, type Draw } from '../support/draw.ts';
import type { AdminAction } from './admins.ts';

type OnNetwork = { readonly network: 'http' | 'database' };
type Which = { readonly which: number };
type Restart = Which & { readonly downMs: number };
export type AgentRestart = Restart & { readonly reboot: boolean; readonly skewMs: number };
/** `then`: the network comes back, the connection is reset, or neither until both sides give up. */
export type Spoiling = OnNetwork & {
  readonly share: number;
  readonly forMs: number;
  readonly then: 'heal' | 'cut' | 'nothing';
};

/** What each fault is told. */
type Faults = {
  readonly 'kill allocator': Restart;
  readonly 'stop allocator': Restart;
  readonly 'freeze allocator': Which & { readonly forMs: number };
  readonly 'skew allocator': Which & { readonly skewMs: number };
  readonly 'end postgres': { readonly how: 'SIGKILL' | 'SIGINT' | 'SIGQUIT' };
  readonly 'kill a backend': Which;
  readonly 'end sessions': object;
  readonly 'reboot published': Which;
  readonly cut: OnNetwork & { readonly share: number };
  readonly slow: OnNetwork & { readonly delayMs: number; readonly forMs: number };
  readonly 'half-open': Spoiling;
  readonly 'answers lost': Spoiling;
  readonly 'kill agents': AgentRestart;
  readonly 'stop agents': AgentRestart;
  readonly 'double poll': Which;
  readonly 'rotate log': Which;
  readonly admin: { readonly action: AdminAction };
};
export type FaultOf<K extends keyof Faults> = { readonly kind: K } & Faults[K];
export type Fault = { [K in keyof Faults]: FaultOf<K> }[keyof Faults];

type Scheduled = { readonly atMs: number; readonly fault: Fault };
export type Schedule = {
  readonly seed: number;
  readonly windowMs: number;
  readonly faults: readonly Scheduled[];
};

/** Together 100. A fault that costs seconds of processor time is rarer. */
const WEIGHTS: readonly (readonly [weight: number, draw: (draw: Draw, isDeep: boolean) => Fault])[] = [
  [7, (draw) => ({ kind: 'kill allocator', which: draw.below(2), downMs: draw.below(1_500) })],
  [4, (draw) => ({ kind: 'stop allocator', which: draw.below(2), downMs: draw.below(1_500) })],
  [4, (draw) => ({ kind: 'freeze allocator', which: draw.below(2), forMs: 300 + draw.below(2_500) })],
  [6, (draw) => ({ kind: 'skew allocator', which: draw.below(2), skewMs: draw.oneOf(SKEWS) })],
  [4, (draw) => ({ kind: 'end postgres', how: draw.oneOf(['SIGKILL', 'SIGINT', 'SIGQUIT']) })],
  [3, (draw) => ({ kind: 'kill a backend', which: draw.below(20) })],
  [4, () => ({ kind: 'end sessions' })],
  [9, (draw) => ({ kind: 'cut', network: draw.oneOf(NETWORKS), share: draw.oneOf(SHARES) })],
  [
    6,
    (draw) => ({
      kind: 'slow',
      network: draw.oneOf(NETWORKS),
      delayMs: 20 + draw.below(200),
      forMs: 500 + draw.below(1_500),
    }),
  ],
  [
    12,
    (draw, isDeep) => ({
      kind: draw.oneOf(['half-open', 'answers lost']),
      network: draw.oneOf(NETWORKS),
      share: draw.oneOf(SHARES),
      forMs: 200 + draw.below(2_000),
      then: isDeep ? draw.oneOf(['heal', 'cut', 'nothing']) : draw.oneOf(['heal', 'cut']),
    }),
  ],
  [
    9,
    (draw) => ({
      kind: draw.oneOf(['kill agents', 'kill agents', 'stop agents']),
      which: draw.below(2),
      downMs: draw.below(1_000),
      reboot: draw.chance(0.5),
      skewMs: draw.oneOf(SKEWS),
    }),
  ],
  [5, (draw) => ({ kind: 'reboot published', which: draw.below(10) })],
  [7, (draw) => ({ kind: 'double poll', which: draw.below(100) })],
  [3, (draw) => ({ kind: 'rotate log', which: draw.below(100) })],
  [17, (draw) => ({ kind: 'admin', action: draw.oneOf(ADMIN_ACTIONS) })],
];

const NETWORKS = ['http', 'database'] as const;
const SHARES = [0.2, 0.5, 1] as const;
const MINUTE_MS = 60_000;
const SKEWS = [
  0,
  -2_000,
  5_000,
  -11 * MINUTE_MS,
  3 * MINUTE_MS,
  12 * MINUTE_MS,
  36 * 60 * MINUTE_MS,
] as const;
export const ADMIN_ACTIONS = [
  'release',
  'release',
  'release',
  'reassign',
  'reassign',
  'mark healthy',
  'destroy a spare',
  'destroy a spare',
  'cancel',
  'launch',
] as const satisfies readonly AdminAction[];
/** One fault in this time, on average. */
const FAULT_EVERY_MS = 350;

/** @param isDeep also faults after which both sides need half a minute to give up */
export function drawSchedule(seed: number, windowMs: number, isDeep: boolean): Schedule {
  const draw = createDraw(seed);
  const total = WEIGHTS.reduce((sum, [weight]) => sum + weight, 0);
  const drawFault = (): Fault => {
    let left = draw.below(total);
    for (const [weight, make] of WEIGHTS) {
      left -= weight;
      if (left < 0) return make(draw, isDeep);
    }
    throw new Error('the weights do not add up');
  };
  const faults = Array.from({ length: Math.round(windowMs / FAULT_EVERY_MS) }, () => ({
    atMs: draw.below(windowMs),
    fault: drawFault(),
  }));
  return { seed, windowMs, faults: faults.toSorted((a, b) => a.atMs - b.atMs) };
}

/** One line for each fault. */
export function describeSchedule({ faults }: Schedule): string {
  return faults
    .map(({ atMs, fault: { kind, ...rest } }) => {
      const details = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
      return `${String(atMs).padStart(7)} ms  ${[kind, ...details].join(' ')}`;
    })
    .join('\n');
}
