// What the charts call their series, shared by the tables of the page and the pictures of the browser. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { sayNumber } from './spans.ts';

type Schemas = components['schemas'];
type Timings = Schemas['Vm']['timings'];

/** The phases of a start-up, in their order; `short` is for the narrow column of a table. */
export const startupPhases = [
  { key: 'provisioning_seconds', label: 'Creation', short: 'created' },
  { key: 'cloud_init_seconds', label: 'Boot', short: 'boot' },
  { key: 'container_seconds', label: 'Container', short: 'container' },
] as const satisfies readonly { key: keyof Timings; label: string; short: string }[];

/** The states in the order of the table and the picture. */
export const stateNames = {
  free: 'Free',
  assigned: 'Assigned',
  in_use: 'In use',
  initializing: 'Starting',
  recycling: 'Resetting',
  failed: 'Failed',
  destroying: 'Destroying',
} as const satisfies Record<Exclude<keyof Schemas['StateSample'], 'at'>, string>;

export type StateName = keyof typeof stateNames;
export const stateOrder: readonly StateName[] = [
  'free',
  'assigned',
  'in_use',
  'initializing',
  'recycling',
  'failed',
  'destroying',
];

export const changeLabels = {
  assigned: 'Assigned',
  released: 'Released',
} as const satisfies Record<Schemas['AssignmentChange']['kind'], string>;

export function totalOf(sample: Schemas['StateSample']): number {
  return stateOrder.reduce((total, state) => total + sample[state], 0);
}

/** The cells of a machine's row: every phase, then all of them. */
export function timingCells(timings: Timings): string[] {
  return [...startupPhases.map(({ key }) => timings[key]), timings.total_seconds].map(saySeconds);
}

/** `41.5`, or that it is not known. */
export function saySeconds(seconds: number | null): string {
  return seconds === null ? 'Not known' : sayNumber(seconds);
}

/** The cells of a sample's row: every state, then all of them. */
export function stateCells(sample: Schemas['StateSample']): number[] {
  return [...stateOrder.map((state) => sample[state]), totalOf(sample)];
}
