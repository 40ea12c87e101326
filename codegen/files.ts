// All generated files, which `make codegen` writes and `make check` compares.
import { connectDatabase } from '../src/db/connect.ts';
import { migrateToLatest } from '../src/db/migrate.ts';
import { startTestPostgres } from '../test/support/postgres-server.ts';
import { awsPolicy } from './aws-policy.ts';
import { commandsFile } from './commands-doc.ts';
import { contractFiles, type GeneratedFile } from './contract.ts';
import { lifecycleDoc } from './lifecycle-doc.ts';
import { problemsDoc } from './problems-doc.ts';
import { configurationFiles } from './configuration.ts';
import { rowTypesFile } from './rows.ts';

/** All generated files with their current text. Starts and stops a temporary Postgres for the row types. */
export async function generatedFiles(): Promise<GeneratedFile[]> {
  return [
    ...(await contractFiles()),
    await problemsDoc(),
    await lifecycleDoc(),
    ...(await configurationFiles()),
    await awsPolicy(),
    await commandsFile(),
    await rowTypes(),
  ];
}

async function rowTypes(): Promise<GeneratedFile> {
  const { connectionString, stop } = await startTestPostgres();
  try {
    await migrate(connectionString);
    return await rowTypesFile(connectionString);
  } finally {
    await stop();
  }
}

async function migrate(connectionString: string): Promise<void> {
  const onIdleError = (error: Error): void => console.error(error);
  const db = connectDatabase({
    connectionString,
    poolSize: 1,
    applicationName: 'lablink codegen',
    onIdleError,
  });
  try {
    const migrated = await migrateToLatest(db);
    if (!migrated.ok) throw new Error(migrated.failure.message);
  } finally {
    await db.destroy();
  }
}
