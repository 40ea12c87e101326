// Only src/db/transition.ts writes vms.status (migrations apart, which run once). Reads every statement of the program: those in
// SQL, and those that Kysely builds.
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const WRITER = 'src/db/transition.ts';

/** The text of a template or string; what is inserted is ∎. */
function textOf(node: ts.Node): string | null {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return null;
  return node.head.text + node.templateSpans.map(({ literal }) => `∎${literal.text}`).join('');
}

/** An assignment to a column `status`, in a statement about no other table than `vms` or in a part of a statement. */
function isWriteInSql(text: string): boolean {
  if (/\b(insert\s+into|merge\s+into|copy)\s+"?vms"?(?!\w)/i.test(text)) return true;
  const table = /\b(?:update|insert\s+into)\s+(?:only\s+)?"?(\w+|∎)/i.exec(text)?.[1];
  if (table !== undefined && table !== 'vms' && table !== '∎') return false;
  // A column that is assigned has no alias.
  return /(?:^|\bset\b|,)\s*"?status"?\s*=(?!=)/i.test(text) || /\([^()]*\bstatus\b[^()]*\)\s*=/i.test(text);
}

/** `db.updateTable('vms')…set(…)` that names the status or spreads an object, and any `insertInto('vms')`. */
function isWriteInKysely(call: ts.CallExpression): boolean {
  if (!ts.isPropertyAccessExpression(call.expression)) return false;
  const method = call.expression.name.text;
  const [table] = call.arguments;
  const names = table?.getText() ?? '';
  if (!['updateTable', 'insertInto', 'replaceInto', 'mergeInto'].includes(method) || !/\bvms\b/.test(names))
    return false;
  if (method !== 'updateTable') return true;
  for (let chain: ts.Node = call; ; chain = chain.parent) {
    if (ts.isCallExpression(chain) && ts.isPropertyAccessExpression(chain.expression)) {
      const given = chain.arguments.map((each) => each.getText()).join();
      if (chain.expression.name.text === 'set' && /\bstatus\b|[^[\s]\s*\.\.\./.test(given)) return true;
    } else if (!ts.isPropertyAccessExpression(chain)) return false;
  }
}

/** The lines on which this program writes vms.status. */
function writesIn(source: string): number[] {
  const file = ts.createSourceFile('program.ts', source, ts.ScriptTarget.Latest, true);
  const lines: number[] = [];
  const visit = (node: ts.Node): void => {
    const text = textOf(node);
    const writes = text === null ? ts.isCallExpression(node) && isWriteInKysely(node) : isWriteInSql(text);
    if (writes) lines.push(file.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return lines;
}

describe('the status of a VM', () => {
  test('no statement of the program writes vms.status except those of its one writer', async () => {
    const found: string[] = [];
    for await (const path of glob('src/**/*.ts', { cwd: root })) {
      if (path.endsWith('.gen.ts') || path.startsWith('src/db/migrations/')) continue;
      const source = readFileSync(`${root}${path}`, 'utf8');
      if (/\bstatus\b|\bvms\b/.test(source) && writesIn(source).length > 0) found.push(path);
    }
    expect(found).toEqual([WRITER]);
  });

  test.each([
    ["sql`update vms set status = 'error' where hostname = ${name}`"],
    ['sql`update only vms as v set in_use = null, status = ${status}`'],
    ["sql`update vms set (in_use, status) = (null, 'error')`"],
    ["sql`with a as (update vms set status_since = now(), status = 'error') select 1`"],
    ["sql`insert into vms (hostname, provider, status) values ('a', 'local', 'error')`"],
    ["client.query('update vms set status = $2 where hostname = $1')"],
    ["const set = sql`status = 'error'`"],
    ["db.updateTable('vms').set({ status: 'error' }).where('hostname', '=', name).execute()"],
    ["db.updateTable('vms as v').where('hostname', '=', name).set('status', 'error')"],
    ["db.updateTable('vms').set((build) => ({ in_use: null, status: build.val('error') }))"],
    ["db.updateTable('vms').set({ ...changes })"],
    ["db.insertInto('vms').values({ hostname, provider, status })"],
  ])('the statement %s is found', (statement) => {
    expect(writesIn(statement)).toEqual([1]);
  });

  test.each([
    ["sql`update vms set in_use = true where status = 'running' and hostname = ${name}`"],
    ["sql`select hostname, status from vms v where v.status = 'running'`"],
    ["sql`update operations set number = 1, status = 'failed' where id = ${id}`"],
    ["sql`count(*) filter (where status = 'recycling')::int as recycling`"],
    ["db.updateTable('vms').set({ status_before_destroy: null }).where('status', '=', 'running')"],
    ["db.updateTable('operations').set({ status: 'running' })"],
    ["db.updateTable('vms').set({ twin_addresses: [...addresses] })"],
  ])('the statement %s is none of them', (statement) => {
    expect(writesIn(statement)).toEqual([]);
  });
});
