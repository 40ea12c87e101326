// A failed command of the engine double: a message on stderr and an exit status.

export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What the double was not built for: it must not pass for an engine that did it. */
export function beyond(what: string): Failure {
  return new Failure(`THE ENGINE DOUBLE DOES NOT DO THIS: ${what}`, 97);
}
