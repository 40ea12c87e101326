// What the process is and has, handed to the composition; and what a start that is refused looks like.
import type { Config } from '../config.ts';
import type { Machine } from '../db/embedded/machine.ts';
import type { Log } from '../log.ts';
import type { AwsLimits } from '../provision/aws/context.ts';
import type { OperationIntervals } from '../provision/machinery.ts';
import type { Provider } from '../provision/provider.ts';

/** Nothing below reads any of this anywhere else. */
export type Environment = {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  readonly self: { readonly pid: number; readonly host: string };
  readonly log: Log;
  /** Tells the person who started it one line. */
  readonly say: (line: string) => void;
  /** In the place of the configured one; tests bring their own. */
  readonly provider?: Provider;
  readonly operationIntervals?: Partial<OperationIntervals>;
  readonly awsLimits?: Partial<AwsLimits>;
};

/** What is in the way of a start, and what to do about it: two whole sentences. */
export type Refusal = { readonly ok: false; readonly problem: string; readonly remedy: string };

/** An expected failure on the way up: unwinds what was opened, and becomes a Refusal. */
export class StartRefused extends Error {
  readonly remedy: string;
  constructor(problem: string, remedy: string) {
    super(problem);
    this.name = 'StartRefused';
    this.remedy = remedy;
  }
}
