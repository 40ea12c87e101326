// What a function returns that can fail in an expected way: a value or a failure. Bugs are thrown.

/** Why something failed, for programs (`code`) and for people (what happened, then what to do). */
export type Failure<Code extends string = string> = {
  readonly code: Code;
  readonly message: string;
  readonly remedy: string;
};

export type Failed<F = Failure> = { readonly ok: false; readonly failure: F };
export type Result<T = undefined, F = Failure> = { readonly ok: true; readonly value: T } | Failed<F>;

export function succeed(): { readonly ok: true; readonly value: undefined };
export function succeed<T>(value: T): { readonly ok: true; readonly value: T };
export function succeed(value?: unknown): { readonly ok: true; readonly value: unknown } {
  return { ok: true, value };
}

export function fail<F>(failure: F): Failed<F> {
  return { ok: false, failure };
}

/** Both sentences of a failure. */
export function describeFailure({ message, remedy }: Omit<Failure, 'code'>): string {
  return `${message} ${remedy}`;
}
