// What goes wrong again and again is told once, and once more when it is over.
import type { AgentLog } from './options.ts';

export type Troubles = {
  /** The same sentence about the same thing is told once. */
  tell(what: string, sentence: string): void;
  over(what: string): void;
};

export function createTroubles(log: AgentLog): Troubles {
  const told = new Map<string, string>();
  return {
    tell(what, sentence) {
      if (told.get(what) === sentence) return;
      told.set(what, sentence);
      log.warn(`${what}: ${sentence}`);
    },
    over(what) {
      if (told.delete(what)) log.info(`${what}: works again`);
    },
  };
}
