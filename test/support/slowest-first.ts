// The order of the test files. Two workers share them: a file of several minutes that starts last keeps one worker idle.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Vitest sorts by the durations of earlier runs, and by file size on a new clone. These files are slow, but small. */
const SLOW = ['test/fuzz/schemathesis.test.ts', 'test/screens/screens.test.ts'];

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isSlow = ({ moduleId }: TestSpecification) => SLOW.some((name) => moduleId.endsWith(name));
    const sorted = await super.sort(files);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}
