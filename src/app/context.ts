// What the process has and is, passed to the composition; and how a step of the start fails.
import type { Config } from '../config.ts';
import type { Platform } from '../db/embedded/platform.ts';
import type { Log } from '../log.ts';
import type { SenderIntervals } from '../notify/sender.ts';
import type { ProviderHost } from '../provision/host.ts';
import type { OperationIntervals } from '../provision/operation-service.ts';
import type { Provider } from '../provision/provider.ts';
import type { ScheduleIntervals } from '../schedule/attempt.ts';
import type { Failure, Result } from '../result.ts';

/** The modules below read none of this anywhere else. */
export type AppContext = {
  readonly config: Config;
  /** The environment variables: programs that are started get some of them. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: Platform;
  readonly self: { readonly pid: number; readonly host: string };
  readonly log: Log;
  /** Prints one line for the person who started the program. */
  readonly say: (line: string) => void;
  /** Instead of the configured one, for tests. */
  readonly provider?: Provider;
  readonly operationIntervals?: Partial<OperationIntervals>;
  readonly scheduleIntervals?: Partial<ScheduleIntervals>;
  readonly metricsFreshMs?: number;
  /** `watchMs`: between two looks at what is due by the clock. */
  readonly notifyIntervals?: Partial<SenderIntervals> & { readonly watchMs?: number };
  readonly providerLimits?: ProviderHost['limits'];
  /** Instead of the clocks of this computer and of the database, for tests: a workshop's day in a second. */
  readonly now?: () => Date;
};

/** The time for rules and for people; what is measured uses monotonic clocks. */
export function clockOf({ now = () => new Date() }: Pick<AppContext, 'now'>): () => Date {
  return now;
}

/** An expected failure of a step of the start: closes what was opened, and becomes the result of the start. */
export class StartError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.name = 'StartError';
    this.failure = failure;
  }
}

/** The value; throws StartError where there is none. */
export function required<T>(result: Result<T>): T {
  if (!result.ok) throw new StartError(result.failure);
  return result.value;
}
