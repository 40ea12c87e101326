// The results of the fault tests as a table, in the test log and in .cache: the fault, the outcome of the operation, and the
// number of machines in AWS, state and rows afterwards.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type FaultRow = {
  readonly fault: string;
  /** Status, and code of the problem. */
  readonly outcome: string;
  readonly asked: number;
  /** After the fault: the same number in AWS, in the state and in the rows. */
  readonly machines: number;
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
        'fault | outcome | asked | AWS = state = rows',
        ...rows.map((row) => Object.values(row).join(' | ')),
      ];
      console.log(lines.join('\n'));
      const folder = join(import.meta.dirname, '../../.cache');
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, `faults-${name}.txt`), `${lines.join('\n')}\n`);
    },
  };
}
