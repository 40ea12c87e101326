// What a measurement is, and what it tells. Knows no process.
import type { Lifecycle } from '../src/lifecycle.ts';

export type Verdict = 'ok' | 'missed' | 'not measured' | '';

export type Row = {
  readonly what: string;
  readonly measured: string;
  /** Empty: none was set. */
  readonly goal: string;
  readonly verdict: Verdict;
  /** How it was measured, and what else was seen. */
  readonly remark: string;
};

export type Bench = {
  /** Whatever a measurement opens is registered here; all of it is ended after the measurement, also when it fails. */
  readonly lifecycle: Lifecycle;
  /** Tells the person who waits one line. */
  readonly say: (line: string) => void;
};

export type Measurement = {
  /** As `ONLY=` names it. */
  readonly name: string;
  readonly about: string;
  /** It is given up after this long. */
  readonly limitSeconds: number;
  readonly run: (bench: Bench) => Promise<readonly Row[]>;
};

export function atLeast(measured: number, goal: number): Verdict {
  return measured >= goal ? 'ok' : 'missed';
}

export function atMost(measured: number, goal: number): Verdict {
  return measured <= goal ? 'ok' : 'missed';
}

/** What could not be measured, and what to do about it. */
export function notMeasured(what: string, remark: string): Row {
  return { what, measured: '-', goal: '', verdict: 'not measured', remark };
}
