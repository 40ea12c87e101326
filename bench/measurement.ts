// The types of measurements and of the rows that they return. Starts no process.
import type { Lifecycle } from '../src/lifecycle.ts';

export type Verdict = 'ok' | 'missed' | 'not measured' | '';

export type Row = {
  readonly what: string;
  readonly measured: string;
  /** Empty if there is none. */
  readonly goal: string;
  readonly verdict: Verdict;
  /** How it was measured, and other observations. */
  readonly remark: string;
};

export type Bench = {
  /** Closes everything that the measurement has opened, also after a failure. */
  readonly lifecycle: Lifecycle;
  /** Prints a line of progress. */
  readonly say: (line: string) => void;
};

export type Measurement = {
  /** The name in `ONLY=`. */
  readonly name: string;
  readonly about: string;
  /** The measurement fails after this time. */
  readonly limitSeconds: number;
  readonly run: (bench: Bench) => Promise<readonly Row[]>;
};

export function atLeast(measured: number, goal: number): Verdict {
  return measured >= goal ? 'ok' : 'missed';
}

export function atMost(measured: number, goal: number): Verdict {
  return measured <= goal ? 'ok' : 'missed';
}

/** A row for something that could not be measured; the remark says why, or what to do about it. */
export function notMeasured(what: string, remark: string): Row {
  return { what, measured: '-', goal: '', verdict: 'not measured', remark };
}
