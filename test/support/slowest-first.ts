// The order of the test files. A few workers share them: a file of several minutes that starts last keeps the others idle.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Vitest sorts by the durations of earlier runs, and by file size on a new clone. These files are slow: the longest first. */
const SLOW = [
  'test/screens/screens.test.ts',
  // Waits for 70 seconds, beside whatever computes.
  'test/install/proxies.test.ts',
  'test/fuzz/schemathesis.test.ts',
  'test/install/image.test.ts',
  'test/process/killed.test.ts',
  'test/aws/lost-and-moved.test.ts',
  'test/aws/rejections.test.ts',
  'test/aws/interruptions.test.ts',
  'test/e2e/page-rules.test.ts',
  'test/engine/double.test.ts',
  'test/chaos/chaos.test.ts',
];

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = SLOW.findIndex((name) => moduleId.endsWith(name));
      return found === -1 ? SLOW.length : found;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
