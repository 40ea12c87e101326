// Lines that came and are not drawn yet: in batches as the server sends them, and bounded.
import type { Schema } from '../contract/answer.ts';

export type Batch = Schema<'LogLines'>;

/** At most `most` lines and the batch that they began in are kept, the newest. */
export function createWaitingLines(most: number) {
  let batches: Batch[] = [];

  const count = (): number => batches.reduce((sum, { lines }) => sum + lines.length, 0);

  /** The oldest batches go where more wait than could be shown. */
  function forget(): void {
    let left = count();
    for (
      let [first] = batches;
      first && batches.length > 1 && left - first.lines.length >= most;
      [first] = batches
    ) {
      left -= first.lines.length;
      batches.shift();
    }
  }

  return {
    count,
    add: (batch: Batch): void => {
      batches.push(batch);
      forget();
    },
    clear: (): void => {
      batches = [];
    },
    /** The number of the first line that waits; null where none does. */
    first: (): number | null => batches[0]?.first_number ?? null,
    /** At most so many lines, the oldest first. */
    take: (limit: number): Batch[] => {
      const taken: Batch[] = [];
      let left = limit;
      for (let [batch] = batches; batch && left > 0; [batch] = batches) {
        const [head, tail] = split(batch, left);
        taken.push(head);
        left -= head.lines.length;
        batches.shift();
        if (tail) batches.unshift(tail);
      }
      return taken;
    },
  };
}

/** The first lines of a batch, and the rest of it. */
function split(batch: Batch, at: number): readonly [Batch, Batch | null] {
  const { first_number: first, lines, error_indexes: errors } = batch;
  if (lines.length <= at) return [batch, null];
  return [
    { first_number: first, lines: lines.slice(0, at), error_indexes: errors.filter((index) => index < at) },
    {
      first_number: first + at,
      lines: lines.slice(at),
      error_indexes: errors.filter((index) => index >= at).map((index) => index - at),
    },
  ];
}
