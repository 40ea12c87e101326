// Starts the one Postgres that all test files share, and ends it.
import type { TestProject } from 'vitest/node';
import './provided.ts';
import { startTestPostgres } from './test-server.ts';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startTestPostgres();
  project.provide('runPid', process.pid);
  project.provide('postgres', server.connectionString);
  return () => server.stop();
}
