// Which test files begin first: those that take minutes, so that none of them is begun last while the other workers have
// nothing to do. On a fresh clone Vitest knows no durations, and goes by the size of files.
import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Slowest first, as measured; a folder stands for its files. */
const SLOW = [
  'test/screens/',
  'test/fuzz/',
  'test/aws/refusals',
  'test/process/killed',
  'test/aws/',
  'test/engine/',
  'test/e2e/',
];

export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const path = relative(this.ctx.config.root, moduleId);
      const found = SLOW.findIndex((start) => path.startsWith(start));
      return found === -1 ? SLOW.length : found;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}
