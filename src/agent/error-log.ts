// Errors that repeat are logged once, and once more when they are over.
import type { AgentLog } from './options.ts';

export type ErrorLog = {
  /** Logs the sentence, unless it was the last one about `what`. */
  report(what: string, sentence: string): void;
  /** Logs that `what` works again, if an error was reported. */
  resolve(what: string): void;
};

export function createErrorLog(log: AgentLog): ErrorLog {
  const last = new Map<string, string>();
  return {
    report(what, sentence) {
      if (last.get(what) === sentence) return;
      last.set(what, sentence);
      log.warn(`${what}: ${sentence}`);
    },
    resolve(what) {
      if (last.delete(what)) log.info(`${what}: works again`);
    },
  };
}
