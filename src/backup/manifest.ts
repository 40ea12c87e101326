// What the first and the last entry of a backup say, and the names of the others.
import { z } from 'zod';
import { ROW_FORMATS } from '../db/dump/tables.ts';

/** 2 would be a format that this version cannot read. */
const FORMAT = 1;
export const MANIFEST = 'manifest.json';
export const SUMMARY = 'summary.json';
export const FILES = 'files/';
export const ROWS = 'rows/';

/** Of a file in the data folder; it never leads out of it. */
export const safePath = z
  .string()
  .regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/)
  .refine((path) => !path.split('/').includes('..'));
const identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);

export const manifestSchema = z.object({
  format: z.literal(FORMAT),
  /** Of the allocator that made it. */
  version: z.string(),
  at: z.iso.datetime({ precision: 6 }),
  postgres: z.string(),
  deployment: z.object({ name: z.string(), environment: z.string() }),
  migrations: z.array(z.string()).readonly(),
  tables: z
    .array(
      z.object({
        name: identifier,
        columns: z.array(identifier).readonly(),
        /** Of version 0.1.0: all are text. */
        format: z.enum(ROW_FORMATS).default('text'),
      }),
    )
    .readonly(),
});
export type Manifest = z.output<typeof manifestSchema>;

const counted = { bytes: z.int().min(0), sha256: z.string() };

export const summarySchema = z.object({
  manifest: z.object(counted),
  files: z.array(z.object({ path: safePath, ...counted })),
  /** All pieces of a table together. */
  tables: z.array(z.object({ name: identifier, ...counted })),
  sequences: z.array(z.object({ name: identifier, last: z.int() })),
});
export type Summary = z.output<typeof summarySchema>;

export function manifestOf(about: Omit<Manifest, 'format'>): Manifest {
  return { format: FORMAT, ...about };
}
