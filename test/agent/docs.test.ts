import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { variableHelp } from '../../src/agent/config.ts';
import { endpoints } from '../../src/contract/endpoints.gen.ts';

const docs = await readFile(new URL('../../docs/agent.md', import.meta.url), 'utf8');

test('docs/agent.md lists every variable of the agent with its default, and no other', () => {
  const rows = [...docs.matchAll(/^\| `([A-Z_]+)`\s*\|.*\| (.*?)\s*\|$/gm)].map(([, name, without]) => [
    name,
    without,
  ]);
  const listed = new Map(rows.map(([name, without]) => [name, without]));
  expect([...listed.keys()]).toEqual(variableHelp.map(({ name }) => name));
  for (const { name, standard } of variableHelp) {
    if (standard === undefined) expect(listed.get(name)).toBe('required');
    else if (standard !== null) expect(listed.get(name)).toBe(`\`${standard}\``);
  }
});

test('every call that docs/agent.md shows is one of the contract', () => {
  const shown = [...docs.matchAll(/"\$ALLOCATOR_URL(\/[^"]*)"/g)].map(([, path]) => path ?? '');
  const known = Object.values(endpoints).map(
    ({ path }) => new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`),
  );
  expect(shown.length).toBeGreaterThan(10);
  expect(shown.filter((path) => !known.some((pattern) => pattern.test(path)))).toEqual([]);
});
