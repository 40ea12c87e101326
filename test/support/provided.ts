// What the global setup hands to every test file, typed for `provide` and `inject`.
declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- only an interface can be merged into vitest's
  export interface ProvidedContext {
    /** The connection string of the test server; make databases with createTestDatabase(), not in it. */
    readonly postgres: string;
    /** The process of the test run, by which a later run knows whether it lives. */
    readonly runPid: number;
  }
}

export {};
