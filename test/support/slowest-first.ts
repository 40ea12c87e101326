// The order of the test files. A few workers share them: a file of several minutes that starts last keeps the others idle.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Vitest sorts by the durations of earlier runs, and by file size on a new clone. These files take more than half a minute: the longest first. */
const SLOW = [
  'test/fuzz/schemathesis.test.ts',
  'test/screens/screens.test.ts',
  // Waits for 70 seconds, beside whatever computes.
  'test/install/proxies.test.ts',
  'test/install/image.test.ts',
  'test/aws/interruptions.test.ts',
  'test/aws/rejections.test.ts',
  'test/aws/lost-and-moved.test.ts',
  'test/engine/double.test.ts',
  'test/process/killed.test.ts',
  'test/aws/allocator-killed.test.ts',
  'test/collect/bad-days.test.ts',
  'test/aws/shared-resources.test.ts',
  'test/aws/unreadable-state.test.ts',
  'test/aws/missing-tools.test.ts',
  'test/process/serve.test.ts',
  'test/aws/s3-state.test.ts',
  'test/repo/add-provider.test.ts',
  'test/infra/boot-agent.test.ts',
  'test/published-agents/published-agents.test.ts',
  'test/chaos/chaos.test.ts',
  'test/e2e/instances-page.test.ts',
  'test/e2e/page-rules.test.ts',
  'test/http/coverage.test.ts',
  'test/e2e/fleet-pages.test.ts',
  'test/http/outage.test.ts',
  'test/e2e/participant-live.test.ts',
  'test/e2e/participant.test.ts',
  'test/e2e/admin-pages.test.ts',
  'test/e2e/restart.test.ts',
  'test/http/pooler.test.ts',
  'test/e2e/downloads-page.test.ts',
];

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const found = SLOW.findIndex((name) => moduleId.endsWith(name));
      return found === -1 ? SLOW.length : found;
    };
    // Files that share a process come last: among others, the process would end and start again. The many short ones fill the end.
    const shares = ({ project }: TestSpecification) => Number(!project.config.isolate);
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => shares(a) - shares(b) || rank(a) - rank(b));
  }
}
