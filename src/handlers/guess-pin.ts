// A PIN, or a code of the waiting list, that somebody enters: counted for their network before it is looked at.
import type { VmRequestResult } from '../db/request.ts';
import type { JoinResult, OpenResult } from '../db/joining.ts';

export type PinLimit = {
  readonly take: (guess: Guess) => Promise<{
    readonly left: number;
    readonly waitSeconds: number;
    readonly isLookedAt: boolean;
  }>;
  readonly forgive: (guess: Guess) => Promise<void>;
};

type Guess = { readonly network: string; readonly email: string };
type Result = VmRequestResult | JoinResult | OpenResult;

const FAILURES: readonly Result['kind'][] = ['pin_wrong', 'pin_locked', 'unknown'];

/** `ask` gets how long the PIN has to wait; 0 = it is looked at. Browsers that need no PIN do not wait. */
export async function guessPin<R extends Result>(
  limit: PinLimit,
  { network, email, givenPin }: Guess & { readonly givenPin: string | null },
  ask: (pinWaitSeconds: number) => Promise<R>,
): Promise<R | Extract<VmRequestResult, { readonly kind: 'pin_wrong' | 'pin_locked' }>> {
  if (givenPin === null) return ask(0);
  const { left, waitSeconds, isLookedAt } = await limit.take({ network, email });
  const result = await ask(isLookedAt ? 0 : waitSeconds).catch(async (error: unknown) => {
    // It was not looked at, and its page sends it again.
    await limit.forgive({ network, email });
    throw error;
  });
  if (!FAILURES.includes(result.kind)) await limit.forgive({ network, email });
  // The same for an e-mail without a machine, so that nobody learns from the wait which e-mails have one.
  if (left === 0 && (result.kind === 'pin_wrong' || result.kind === 'unknown'))
    return { kind: 'pin_locked', retryAfterSeconds: waitSeconds };
  return result.kind === 'pin_wrong'
    ? { kind: 'pin_wrong', triesLeft: Math.min(left, result.triesLeft) }
    : result;
}
