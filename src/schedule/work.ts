// Which machines a planned destroy may destroy after its download: those on which no work can be lost. Pure.

/** A machine that a destroy of all affects, at one moment. */
export type PlannedMachine = {
  readonly hostname: string;
  /** Also one that has ended, until the machine is reset; null: nobody has the machine. */
  readonly assignmentId: string | null;
  /** A participant has or had it, or that is not known. */
  readonly mayHoldWork: boolean;
  /** An external machine is only removed from the list: it keeps running, and the work on it stays. */
  readonly isOwn: boolean;
};

export type Work = {
  /** To destroy; null: all, with the proof that none is left. */
  readonly hostnames: readonly string[] | null;
  /** Who may lose a machine: one that somebody else has by then stays; null: everybody. */
  readonly assignmentIds: readonly string[] | null;
  /** Machines that stay, because work on them was not downloaded. */
  readonly kept: readonly string[];
};

/** Without a download. @param again the machines that an earlier attempt has kept; only they are meant then. Empty: all */
export function everything(again: readonly string[]): Work {
  return { hostnames: again.length === 0 ? null : again, assignmentIds: null, kept: [] };
}

/**
 * A machine that nobody has had holds no work, and an external one keeps it. Another one goes only if it was downloaded whole, and
 * nobody else has got it since.
 * @param before read before the download, @param now after it, @param whole downloaded, without a missing file
 * @param again the machines that an earlier attempt has kept; only they are meant then. Empty: all
 */
export function workAfter(
  whole: ReadonlySet<string>,
  {
    before,
    now,
    again,
  }: {
    readonly before: readonly PlannedMachine[];
    readonly now: readonly PlannedMachine[];
    readonly again: readonly string[];
  },
): Work {
  const had = new Map(before.map(({ hostname, assignmentId }) => [hostname, assignmentId]));
  const isSafe = ({ hostname, assignmentId, mayHoldWork, isOwn }: PlannedMachine): boolean =>
    !isOwn ||
    !mayHoldWork ||
    (whole.has(hostname) && (assignmentId === null || assignmentId === had.get(hostname)));
  const meant = again.length === 0 ? now : now.filter(({ hostname }) => again.includes(hostname));
  const safe = meant.filter(isSafe);
  const kept = meant.filter((machine) => !isSafe(machine)).map(({ hostname }) => hostname);
  return {
    hostnames: safe.length === now.length ? null : safe.map(({ hostname }) => hostname),
    assignmentIds: safe.flatMap(({ assignmentId }) => assignmentId ?? []),
    kept,
  };
}
