// The values that the global setup passes to all test files, typed for `provide` and `inject`.
declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- only an interface can be merged into vitest's
  export interface ProvidedContext {
    /** The connection string of the test server. Tests do not use it directly, but call createTestDatabase(). */
    readonly postgres: string;
    /** The process id of the test run, with which a later run checks whether this one still runs. */
    readonly runPid: number;
  }
}

export {};
