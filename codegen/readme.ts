// README.md with its configuration table written anew, from the same table that the program reads.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { renderConfigTable } from '../src/config/keys.ts';
import { format } from 'prettier';
import type { GeneratedFile } from './contract.ts';

const BEGIN = '<!-- configuration: written by `make codegen` -->';
const END = '<!-- /configuration -->';

/** The rest of README.md stays as it is. Throws where the marks are missing. */
export async function readmeFile(): Promise<GeneratedFile> {
  const path = fileURLToPath(new URL('../README.md', import.meta.url));
  const text = await readFile(path, 'utf8');
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('README.md has lost the marks of its configuration table');
  const table = await format(renderConfigTable(), { parser: 'markdown' });
  return { path, text: `${text.slice(0, begin + BEGIN.length)}\n\n${table}\n${text.slice(end)}` };
}
