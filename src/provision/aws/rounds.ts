// The retry policy of a launch: after each run of Pulumi, what happens with the machines that are missing. Pure. Below it,
// Pulumi's plugin repeats single requests (pulumi.ts), and a command is repeated once after a stale lock (engine/run.ts).
import type { RunFailure } from '../engine/failure.ts';
import { hasCause } from './failure.ts';

/** Which placement the next round tries. */
export type Round = {
  readonly placement: number;
  /** The one more round after a throttled request or an error of AWS has been used. */
  readonly hasRepeated: boolean;
  /** All placements were tried, and this is the one more round after them. */
  readonly isLast: boolean;
};

export type RoundOutcome = {
  readonly failure: RunFailure | null;
  /** Machines that are missing, and were not rejected for good. */
  readonly open: number;
  readonly missing: number;
  readonly hasCreated: boolean;
  readonly hasRejected: boolean;
  /** Shared resources that were in the way have been deleted. */
  readonly hasCleanedUp: boolean;
  readonly isCancelled: boolean;
};

type Next =
  | { readonly kind: 'complete' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'round'; readonly round: Round; readonly pause: boolean };

export const FIRST_ROUND: Round = { placement: 0, hasRepeated: false, isLast: false };

/**
 * A rejected machine is tried again only for lack of capacity or a refusal that passes. Machines that Pulumi skipped
 * because of it are tried again as long as rounds create machines. If the run failed without rejecting a machine, the
 * launch stops, unless a shared resource was in the way and has been deleted.
 */
export function nextRound(round: Round, outcome: RoundOutcome, placements: number): Next {
  const { failure } = outcome;
  if (failure === null && outcome.missing === 0) return { kind: 'complete' };
  if (outcome.isCancelled) return STOP;
  if (hasCause(failure, 'exists_outside_state') && outcome.hasCleanedUp) return again(round);
  if (outcome.open === 0) return STOP;
  if (failure !== null) return afterFailure(round, outcome, failure, placements);
  return outcome.hasCreated ? again(round) : STOP;
}

function afterFailure(
  round: Round,
  { hasCreated, hasRejected }: RoundOutcome,
  failure: RunFailure,
  placements: number,
): Next {
  if (failure.code === 'credentials') return STOP;
  if (failure.code === 'capacity') return elsewhere(round, placements);
  if (hasCreated && (hasRejected || passes(failure))) return again(round);
  return passes(failure) && !round.hasRepeated ? again({ ...round, hasRepeated: true }, true) : STOP;
}

function elsewhere(round: Round, placements: number): Next {
  if (round.isLast) return STOP;
  const placement = round.placement + 1;
  return placement < placements
    ? again({ ...round, placement })
    : again({ ...round, placement: 0, isLast: true }, true);
}

function again(round: Round, pause = false): Next {
  return { kind: 'round', round, pause };
}

const STOP: Next = { kind: 'stop' };

/** Whether AWS may answer otherwise a moment later: no reason to give up the machine. */
export function passes(failure: RunFailure | null): boolean {
  return (
    failure?.code === 'capacity' ||
    hasCause(failure, 'aws_throttled') ||
    hasCause(failure, 'aws_server_error')
  );
}
