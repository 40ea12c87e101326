// The destroy page with many machines.
import { expect, test } from 'vitest';
import { renderDeleteInstances } from '../../src/pages/delete-instances.ts';
import { textOf } from '../support/page-models.ts';

test('the destroy page names all machines, the first hundred at once and the others behind a click', () => {
  const machines = Array.from({ length: 230 }, (_, index) => ({
    hostname: `vm-${230 - index}`,
    fate: 'destroyed' as const,
    email: null,
  }));
  const asked = { deployment: 'lab', machines, running: null, error: null } as const;
  const html = renderDeleteInstances(asked);
  const names = [...html.matchAll(/<li>(vm-\d+) /g)].map(([, name]) => name);
  expect(names).toEqual(machines.map(({ hostname }) => hostname).reverse());
  expect(html.slice(0, html.indexOf('<details>')).match(/<li>vm-/g)).toHaveLength(100);
  expect(textOf(html)).toContain('And 130 more');
  expect(renderDeleteInstances({ ...asked, machines: machines.slice(0, 100) })).not.toContain('<details>');
});
