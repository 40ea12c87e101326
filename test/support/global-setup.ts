// Builds the static files of the pages; starts and stops the Postgres that all test files share.
import type { TestProject } from 'vitest/node';
import { buildAssets } from '../../codegen/assets.ts';
import './provided.ts';
import { startTestPostgres } from './postgres-server.ts';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [server] = await Promise.all([startTestPostgres(), buildAssets()]);
  project.provide('runPid', process.pid);
  project.provide('postgres', server.connectionString);
  return () => server.stop();
}
