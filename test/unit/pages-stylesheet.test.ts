// Tabler's stylesheet is fitted to what the templates name, and is dark where the reader's system is.
import { expect, test } from 'vitest';
import { purgeStylesheet } from '../../codegen/stylesheet.ts';
import { getAsset } from '../../src/pages/assets.ts';

test.each([
  ['keeps rules of classes that are named', '.card{a:b}.nothing{c:d}', '.card{a:b}'],
  ['keeps named classes that share a rule with others', '.card,.nothing,a{a:b}', '.card,a{a:b}'],
  ['keeps rules of elements', 'table>:not(caption){a:b}', 'table>:not(caption){a:b}'],
  ['keeps rules that exclude a class', '.btn:not(.nothing):hover{a:b}', '.btn:not(.nothing):hover{a:b}'],
  ['drops media queries that become empty', '@media print{.nothing{a:b}}', ''],
  [
    'applies the dark theme where the system is dark',
    '.card,[data-bs-theme=dark] .card{a:b}',
    '.card{a:b}@media (prefers-color-scheme:dark){:root .card{a:b}}',
  ],
  [
    'drops themes that an element chooses by itself',
    '.card[data-bs-theme=dark],[data-bs-theme=light]{a:b}',
    '',
  ],
])('the fitted stylesheet %s', async (_what, css, fitted) => {
  expect(await purgeStylesheet(css, ['<table class="card btn"><caption><a>'])).toBe(fitted);
});

test('the part of Tabler that is served is small, and has its licence and both themes', () => {
  const css = getAsset('app.css')?.body ?? '';
  expect(css.length).toBeLessThan(120_000);
  expect(css).toContain('Licensed under MIT');
  expect(css).toMatch(/\.btn-primary\{/);
  expect(css).toMatch(/@media ?\(prefers-color-scheme:dark\)\{:root\{/);
  expect(css).not.toContain('data-bs-theme=dark');
  // It would make the browser compute every style of the page again with every text that changes.
  expect(css).not.toContain('.page:has(');
});
