// What goes into the thread of a backup, and what comes out.
import { z } from 'zod';
import type { Result } from '../result.ts';
import type { BackupJob, MadeBackup } from './make.ts';

export const jobSchema: z.ZodType<BackupJob> = z.object({
  source: z.object({
    connectionString: z.string(),
    dataDir: z.string(),
    configured: z.record(z.string(), z.string()),
    deployment: z.object({ name: z.string(), environment: z.string() }),
    version: z.string(),
  }),
  passphrase: z.string(),
  place: z.string(),
  name: z.string(),
});

export const answerSchema: z.ZodType<Result<MadeBackup>> = z.discriminatedUnion('ok', [
  z.object({
    ok: z.literal(true),
    value: z.object({ at: z.date(), bytes: z.number(), address: z.string() }),
  }),
  z.object({
    ok: z.literal(false),
    failure: z.object({ code: z.string(), message: z.string(), remedy: z.string() }),
  }),
]);
