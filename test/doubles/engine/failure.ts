// A failed command of the engine double: a message on stderr and an exit status.

export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A request that the double does not support. It fails, so that no test mistakes it for a success. */
export function unsupported(what: string): Failure {
  return new Failure(`THE ENGINE DOUBLE DOES NOT DO THIS: ${what}`, 97);
}
