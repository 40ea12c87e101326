// A run of Pulumi on AWS.
import { fail, type Result } from '../../result.ts';
import type { RunFailure } from '../engine/failure.ts';
import type { EngineRun as PulumiRun } from '../engine/run.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import type { AwsContext } from './context.ts';
import { explainOutput } from './failure.ts';

export type EngineRun = PulumiRun & {
  readonly context: AwsContext;
  readonly region: string;
  readonly cloud: Cloud;
};

/** Returns errors of AWS and of the file system as failures; throws everything else. */
export function failureOf(error: unknown): Result<never, RunFailure> {
  if (error instanceof CloudError) return fail(error.failure);
  if (error instanceof Error && 'syscall' in error) return fail(explainOutput(error.message));
  throw error;
}
