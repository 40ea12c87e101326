// What the fault tests saw, as one table in the test log and beside the results: which fault, what the operation said, how
// many machines the cloud, the state and the rows told of after it.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type FaultRow = {
  readonly fault: string;
  /** Status and kind of the problem. */
  readonly outcome: string;
  readonly asked: number;
  /** After the fault: the same in the cloud, in the state and in the rows. */
  readonly machines: number;
  /** After one more launch, and after a destroy. */
  readonly then: string;
};

export function createFaultTable(name: string): {
  add: (row: FaultRow) => void;
  print: () => Promise<void>;
} {
  const rows: FaultRow[] = [];
  return {
    add: (row) => rows.push(row),
    print: async () => {
      const lines = [
        `fault | outcome | asked | cloud = state = rows | next launch, destroy`,
        ...rows.map((row) => Object.values(row).join(' | ')),
      ];
      console.log(lines.join('\n'));
      const folder = join(import.meta.dirname, '../../.cache');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, `faults-${name}.txt`), `${lines.join('\n')}\n`);
    },
  };
}
