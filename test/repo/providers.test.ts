// The list of providers stands once (src/provision/list.ts), and only a provider's own folder knows its name: everything else asks
// what a provider is and needs.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CURRENT_CONTRACT, readContract } from '../../codegen/documents.ts';
import {
  defaultProvider,
  definitionOf,
  fateOf,
  isOwn,
  providerNames,
  providers,
  readProvider,
  registeredProvider,
} from '../../src/provision/providers.ts';

const ROOT = join(import.meta.dirname, '../..');
const names = providerNames.join('|');
const MENTIONS = [
  // A name in quotes, also as a value of an object or a case; `data-local` of a time is something else.
  new RegExp(`(?<!dataset\\[)(['"\`])(${names})\\1`),
  new RegExp(`PROVIDER=(${names})\\b`),
  /\bprovider(Name|\.name)?\s*[!=]==?/i,
  /[!=]==?\s*(\w+\.)*provider(Name|\.name)?\b/i,
];

function mentions(text: string): string[] {
  const isComment = (line: string): boolean => /^\s*(\/\/|\/?\*)/.test(line);
  return text
    .split('\n')
    .filter((line) => !isComment(line) && MENTIONS.some((pattern) => pattern.test(line)));
}

/** Lines in which the same words mean something else. */
const OTHER_MEANINGS = [
  // A database of one's own.
  'src/config/derive.ts',
  'src/config/schema.ts',
  'src/app/data.ts',
  'src/app/backup.ts',
  'src/app/support-parts.ts',
  'src/app/support-sources.ts',
];
const isDatabase = (line: string): boolean => /kind|database/i.test(line);

describe('the names of providers', () => {
  test.each([
    "if (config.provider === 'aws') return;",
    'const proofs = { kind: "local" };',
    'text: `Start the server with PROVIDER=aws.`,',
    '.where(eb => eb.provider !== own)',
    'if (own === row.provider) return;',
    'return vm.providerName == other;',
  ])('the search finds a provider in %j', (line) => {
    expect(mentions(line)).toEqual([line]);
  });

  test('no program, template or generator outside the folder of a provider compares or names a provider', () => {
    const own = new RegExp(`^src/provision/(${names})/`);
    const files = globSync('{src,codegen,infra,templates}/**/*.{ts,mustache,mjs}', { cwd: ROOT }).filter(
      (file) => !own.test(file) && !/\.gen\.ts$|^src\/db\/migrations\/000[1-8]-/.test(file),
    );
    expect(files.length).toBeGreaterThan(300);
    const found = files.flatMap((file) =>
      mentions(readFileSync(join(ROOT, file), 'utf8'))
        .filter((line) => !(OTHER_MEANINGS.includes(file) && isDatabase(line)))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(found).toEqual([
      // The one comparison that others ask.
      "src/provision/providers.ts: return provider === own ? 'destroyed' : 'stays';",
    ]);
  });
});

describe('the list of providers', () => {
  test('every provider stands under its own name in a folder of that name', () => {
    const folders = globSync('src/provision/*/definition.ts', { cwd: ROOT });
    expect(folders.map((file) => file.split('/')[2]).sort()).toEqual([...providerNames].sort());
  });

  test('the contract has exactly the providers of the list', async () => {
    const { components } = (await readContract(CURRENT_CONTRACT)) as unknown as {
      components: { schemas: { Provider: { enum: string[] } } };
    };
    expect(components.schemas.Provider.enum).toEqual(providerNames);
  });

  test('one provider is the default, and one is that of machines that started elsewhere', () => {
    expect(providers.filter(({ isDefault }) => isDefault).map(({ name }) => name)).toEqual([defaultProvider]);
    expect(providers.filter(({ creates }) => !creates).map(({ name }) => name)).toEqual([registeredProvider]);
  });

  test('a destroy takes the machines of its own provider, the rows of registered machines, and no others', () => {
    const creating = providers.filter(({ creates }) => creates).map(({ name }) => name);
    for (const own of providerNames) {
      expect(fateOf({ provider: registeredProvider }, own)).toBe('removed');
      for (const provider of creating) {
        expect(fateOf({ provider }, own)).toBe(provider === own ? 'destroyed' : 'stays');
        expect(isOwn({ provider }, own)).toBe(provider === own);
      }
    }
  });

  test('a name in the database that no provider has is an error that names it', () => {
    for (const name of providerNames) expect(readProvider(name)).toBe(name);
    expect(() => readProvider('azure')).toThrow('azure');
  });

  test('whoever is billed by the hour asks for tokens', () => {
    for (const name of providerNames) {
      const { bills, needsTokens } = definitionOf(name);
      if (bills) expect(needsTokens).toBe(true);
    }
  });
});
