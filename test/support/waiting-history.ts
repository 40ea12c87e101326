// Random histories of a waiting list, drawn from a seed: what people, machines, the clock and an admin do one after another.
import type { Draw } from './draw.ts';

export type Step =
  | { readonly kind: 'join' | 'claim' | 'leave' | 'call'; readonly name: string }
  | { readonly kind: 'release' | 'add'; readonly vm: string }
  | { readonly kind: 'pass'; readonly seconds: number }
  | { readonly kind: 'sweep' };

const PEOPLE = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8'] as const;
const MACHINES = ['vm-1', 'vm-2', 'vm-3', 'vm-4'] as const;
/** Multiples of ten, so that the time that a test itself takes decides nothing. */
const PASSING_SECONDS = [10, 10, 30, 60, 100, 190] as const;

export function drawStep({ oneOf }: Draw): Step {
  const kind = oneOf([
    ...([
      'join',
      'join',
      'join',
      'claim',
      'claim',
      'release',
      'pass',
      'pass',
      'sweep',
      'sweep',
      'sweep',
      'add',
    ] as const),
    ...(['leave', 'call'] as const),
  ]);
  switch (kind) {
    case 'release':
    case 'add':
      return { kind, vm: oneOf(MACHINES) };
    case 'pass':
      return { kind, seconds: oneOf(PASSING_SECONDS) };
    case 'sweep':
      return { kind };
    default:
      return { kind, name: oneOf(PEOPLE) };
  }
}
