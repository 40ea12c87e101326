// Wrong workshop codes, slowed for the browser that sends them and in total. Never by the address alone, which a whole workshop shares.
// This counts those of one allocator before they are looked at; db/wrong-codes.ts counts those of all.
import { createFailures } from './failures.ts';

export type CodeLimit = {
  /**
   * Counts a try before it is looked at, so that many at once are not all looked at. Returns how long it has to wait, in seconds;
   * 0 = it is looked at.
   */
  readonly take: (guess: CodeGuess) => Promise<number>;
  /** It was no wrong code. */
  readonly forgive: (guess: CodeGuess) => Promise<void>;
  /** Ends the timers. */
  readonly close: () => void;
};

/** The code that is valid is a part of the keys: with a new one, counting begins anew. */
type CodeGuess = { readonly browserId: string; readonly code: string };

const OF_A_BROWSER = 10;

/** @param inAll wrong codes of all browsers together in a window */
export function createCodeLimit({
  windowMs,
  inAll,
}: {
  readonly windowMs: number;
  readonly inAll: number;
}): CodeLimit {
  const failures = createFailures(windowMs);
  const keysOf = ({ browserId, code }: CodeGuess): readonly (readonly [string, number])[] => [
    [`browser ${browserId} ${code}`, OF_A_BROWSER],
    [`all ${code}`, inAll],
  ];
  return {
    take: async (guess) => {
      const waits = await Promise.all(
        keysOf(guess).map(async ([key, limit]) =>
          (await failures.count(key)) > limit ? failures.waitSeconds(key, limit) : 0,
        ),
      );
      return Math.max(...waits);
    },
    forgive: async (guess) => {
      await Promise.all(keysOf(guess).map(([key]) => failures.forgive(key)));
    },
    close: failures.close,
  };
}
