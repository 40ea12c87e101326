// The parts of a support bundle: each is read by itself, and one that cannot be read is named with the reason.
import type { BundleEntry } from './archive.ts';
import type { Cleaner } from './clean.ts';

export type Part = {
  /** The file in the bundle. */
  readonly name: string;
  /** What is in it, in a few words. */
  readonly about: string;
  /** Its content, cleaned. Throws where it cannot be read. */
  readonly read: () => Promise<string>;
};

type Missing = { readonly name: string; readonly why: string };

export type Collected = {
  readonly entries: readonly BundleEntry[];
  readonly contents: readonly Pick<Part, 'name' | 'about'>[];
  readonly missing: readonly Missing[];
};

/** What never is in a bundle, and where it is. */
const LEFT_OUT = [
  'The log lines of the machines: they show what participants do. The page of a machine has them; add those that matter yourself.',
  'Names, PINs, commands, codes, passwords, tokens and keys; the state of Pulumi; the config file itself (configuration.json has its settings).',
  'E-mail addresses: person-1@hidden.invalid is the same person everywhere in this bundle, and another one in the next.',
];

/** One after the other: the allocator has work to do. */
export async function readParts(parts: readonly Part[], cleaner: Cleaner): Promise<Collected> {
  const entries: BundleEntry[] = [];
  const contents: Part[] = [];
  const missing: Missing[] = [];
  for (const part of parts) {
    try {
      const text = await part.read();
      entries.push({ name: part.name, text });
      contents.push(part);
    } catch (error) {
      missing.push({ name: part.name, why: cleaner.text(reasonOf(error)) });
    }
  }
  return { entries, contents, missing };
}

/** The text of README.txt, which is also what the command prints. */
export function describeBundle({ contents, missing }: Omit<Collected, 'entries'>): string {
  const reasons = Map.groupBy(missing, ({ why }) => why);
  const width = Math.max(...contents.map(({ name }) => name.length));
  return [
    'In it:',
    ...contents.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
    ...(missing.length === 0 ? [] : ['', 'Could not be read:']),
    ...[...reasons].map(([why, parts]) => `  ${parts.map(({ name }) => name).join(', ')}: ${why}`),
    '',
    'Left out on purpose:',
    ...LEFT_OUT.map((sentence) => `  ${sentence}`),
    '',
  ].join('\n');
}

/** Of a connection that fails, pg and fetch have the reason inside. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inside: unknown = error instanceof AggregateError ? error.errors[0] : error.cause;
  return error.message === '' || error.message === 'fetch failed' ? reasonOf(inside) : error.message;
}
