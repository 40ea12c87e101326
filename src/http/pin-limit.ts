// Wrong PINs, slowed for the network that enters them, before the assignment is locked for everybody (vms/pin.ts).
import { createFailures } from './failures.ts';

/** The participant's network and e-mail. */
type Guess = { readonly network: string; readonly email: string };

export type PinLimit = {
  /** Counts a try before it is looked at, so that many at once are not all looked at. */
  readonly take: (guess: Guess) => Promise<Taken>;
  /** It was no wrong PIN. */
  readonly forgive: (guess: Guess) => Promise<void>;
  /** Ends the timers. */
  readonly close: () => void;
};

type Taken = {
  /** How many more are looked at in this window. */
  readonly left: number;
  /** Until the window ends. */
  readonly waitSeconds: number;
  readonly isLookedAt: boolean;
};

const WINDOW_MS = 600_000;
/** Of one network for one e-mail: one less than what locks the assignment. */
const FOR_ONE_EMAIL = 4;
/** Of one network in all, which a whole workshop can be; only other browsers need the PIN. */
const OF_A_NETWORK = 40;

export function createPinLimit(): PinLimit {
  const failures = createFailures(WINDOW_MS);
  const keysOf = ({ network, email }: Guess): readonly (readonly [string, number])[] => [
    [`${network} ${email}`, FOR_ONE_EMAIL],
    [network, OF_A_NETWORK],
  ];
  return {
    take: async (guess) => {
      const keys = keysOf(guess);
      const left = await Promise.all(keys.map(async ([key, limit]) => limit - (await failures.count(key))));
      const wait = await Promise.all(keys.map(([key, limit]) => failures.waitSeconds(key, limit)));
      const least = Math.min(...left);
      return { left: Math.max(0, least), waitSeconds: Math.max(...wait), isLookedAt: least >= 0 };
    },
    forgive: async (guess) => {
      await Promise.all(keysOf(guess).map(([key]) => failures.forgive(key)));
    },
    close: failures.close,
  };
}
