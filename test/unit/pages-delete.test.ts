// The destroy page.
import { expect, test } from 'vitest';
import { renderDeleteInstances } from '../../src/pages/delete-instances.ts';
import { textOf } from '../support/page-models.ts';

const asked = { deployment: 'lab', running: null, error: null } as const;

test('the destroy page names the participants who will lose their machine', () => {
  const machines = [
    { hostname: 'vm-1', fate: 'destroyed', email: 'ada@example.org' },
    { hostname: 'vm-2', fate: 'destroyed', email: null },
  ] as const;
  const text = textOf(renderDeleteInstances({ ...asked, machines }));
  expect(text).toContain('2 machines will be destroyed; 1 participant will lose theirs.');
  expect(text).toContain('Machines to be destroyed ada@example.org vm-1 vm-2 Not assigned');
  expect(text).not.toContain('downloaded');
});

test('the destroy page names all machines, the first hundred at once and the others behind a click', () => {
  const machines = Array.from({ length: 230 }, (_, index) => ({
    hostname: `vm-${230 - index}`,
    fate: 'destroyed' as const,
    email: null,
  }));
  const html = renderDeleteInstances({ ...asked, machines });
  const names = [...html.matchAll(/<li>(vm-\d+) /g)].map(([, name]) => name);
  expect(names).toEqual(machines.map(({ hostname }) => hostname).reverse());
  expect(html.slice(0, html.indexOf('<details>')).match(/<li>vm-/g)).toHaveLength(100);
  expect(textOf(html)).toContain('And 130 more');
  expect(renderDeleteInstances({ ...asked, machines: machines.slice(0, 100) })).not.toContain('<details>');
});

test('the destroy page of external machines alone says that they are removed from the list, and nothing of destroying', () => {
  const machines = [{ hostname: 'lab-pc-7', fate: 'removed', email: 'ada@example.org' }] as const;
  const html = renderDeleteInstances({ ...asked, machines });
  expect(textOf(html.slice(html.indexOf('<main')))).not.toMatch(/destroy/i);
  expect(textOf(html)).toContain('1 machine will be removed from the list; 1 participant will lose theirs.');
  expect(html).toContain('>Remove all from the list</button>');
});

test('the destroy page without machines has no form', () => {
  expect(renderDeleteInstances({ ...asked, machines: [] })).not.toContain('<form');
});
