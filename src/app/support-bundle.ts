// `lablink support-bundle FILE`: what somebody needs who is asked for help, from an allocator that runs or does not. It starts and
// changes nothing; what cannot be read is named, and the rest is written.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { CommandAnswer } from '../provision/definition.ts';
import { writeBundle } from '../support/archive.ts';
import { describeBundle, type Collected } from '../support/parts.ts';
import { helpOf } from './console.ts';
import { collectBundle } from './support-parts.ts';
import type { BundleContext } from './support-sources.ts';

const README = 'README.txt';
const KIBIBYTE = 1_024;

export async function runSupportBundle(
  args: readonly string[],
  context: BundleContext,
): Promise<CommandAnswer> {
  const asked = readArguments(args);
  if (typeof asked === 'string')
    return { text: `${asked}\n\n${helpOf('support-bundle') ?? ''}`, exit: 'usage' };
  const path = resolve(asked.file);
  const folder = `lablink-support-${context.now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
  let collected: Collected = { entries: [], contents: [], missing: [] };
  try {
    await writeBundle(path, folder, async () => {
      collected = await collectBundle(context, asked.log);
      return [...collected.entries, { name: README, text: describeBundle(collected) }];
    });
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return { text: `${whyNot(error, path)}\n`, exit: 'failed' };
  }
  const { size } = await stat(path);
  const head = `${path} was written (${Math.ceil(size / KIBIBYTE)} KiB, readable by you alone).`;
  return {
    text: `${head}\n\n${describeBundle(collected)}\nLook through it before you give it to somebody.\n`,
    exit: 'ok',
  };
}

function readArguments(args: readonly string[]): { file: string; log: string | undefined } | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { log: { type: 'string' } },
    });
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) return 'support-bundle takes the path of one new file.';
    return { file, log: values.log };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function whyNot(error: Error, path: string): string {
  if ('code' in error && error.code === 'EEXIST')
    return `There is ${path} already. Choose another name, or move it away.`;
  return `The bundle could not be written: ${error.message}. Choose a folder that belongs to this user and has room.`;
}
