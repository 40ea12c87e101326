// Tabler's stylesheet is fitted to what the templates name, and is dark where the reader's system is.
import { describe, expect, test } from 'vitest';
import { getAsset } from '../../src/pages/assets.ts';
import { fitStylesheet, namesIn } from '../../src/pages/stylesheet.ts';

const fit = (css: string, ...names: string[]): string => fitStylesheet(css, new Set(names));

describe('a stylesheet', () => {
  test.each([
    ['keeps the rules of classes that are named', '.card{a:b}.nothing{c:d}', '.card{a:b}'],
    ['keeps what stands beside a class that is not', '.card,.nothing,a{a:b}', '.card,a{a:b}'],
    ['wants every class of a selector', '.card .nothing{a:b}.card.btn{c:d}', '.card.btn{c:d}'],
    ['keeps what is only excluded', '.btn:not(.nothing):hover{a:b}', '.btn:not(.nothing):hover{a:b}'],
    ['keeps elements', 'table>:not(caption){a:b}', 'table>:not(caption){a:b}'],
    [
      'looks into media',
      '@media (max-width:9px){.nothing{a:b}.card{c:d}}',
      '@media (max-width:9px){.card{c:d}}',
    ],
    ['drops media that are empty', '@media print{.nothing{a:b}}', ''],
    [
      'keeps statements and key frames',
      '@charset "UTF-8";@keyframes x{to{a:b}}',
      '@charset "UTF-8";@keyframes x{to{a:b}}',
    ],
    [
      'reads strings as strings',
      '.card{a:url("data:,}.nothing{")}a{b:c}',
      '.card{a:url("data:,}.nothing{")}a{b:c}',
    ],
    ['reads escapes', '.w-1\\/2{a:b}.card{c:d}', '.card{c:d}'],
    ['drops comments but the licence', '/*! MIT */a{b:c}/* x */', '/*! MIT */a{b:c}'],
    [
      'follows the system where it waited for an attribute',
      '.card,[data-bs-theme=dark] .card{a:b}',
      '.card{a:b}@media (prefers-color-scheme:dark){:root .card{a:b}}',
    ],
    [
      'leaves out what is chosen by an attribute of a part',
      '.card[data-bs-theme=dark],[data-bs-theme=light]{a:b}',
      '',
    ],
  ])('%s', (_what, css, fitted) => {
    expect(fit(css, 'card', 'btn')).toBe(fitted);
  });

  test('takes for a class name whatever may be one', () => {
    expect([...namesIn(['<p class="btn btn-sm">', "className: 'mb-3'"])]).toEqual(
      expect.arrayContaining(['btn', 'btn-sm', 'mb-3']),
    );
  });

  test('of Tabler is a small part of the whole, with its licence and both themes', () => {
    const css = getAsset('app.css')?.body ?? '';
    expect(css.length).toBeLessThan(200_000);
    expect(css).toContain('Licensed under MIT');
    expect(css).toMatch(/\.btn-primary\{/);
    expect(css).toContain('@media (prefers-color-scheme:dark){:root{');
    expect(css).not.toContain('data-bs-theme=dark');
    // Asked of the whole page, it is asked again, and everything styled anew, with every text that changes.
    expect(css).not.toContain('.page:has(');
    expect(css.split('{').length).toBe(css.split('}').length);
  });
});
