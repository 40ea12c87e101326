import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { endpoints } from '../../src/contract/endpoints.gen.ts';
import { assetNames, assetUrl, getAsset } from '../../src/pages/assets.ts';

const PUBLIC = new URL('../../templates/public/', import.meta.url);
/** With what is left of Tabler's, which is 635 kB whole. */
const CSS_LIMIT_BYTES = 120_000;
/** Not Swagger UI, not uPlot. */
const own = assetNames().filter((name) => !/^(swagger|uplot)/.test(name) && !name.endsWith('.svg'));

/** The addresses that a module imports. */
const importedBy = (name: string): string[] =>
  [...(getAsset(name)?.body ?? '').matchAll(/from '\.(\/[^']+)'/g)].map(([, file = '']) => `/static${file}`);

describe('static files', () => {
  test('are those that the pages use, each with a content type that the contract declares', () => {
    const declared = endpoints.getAsset.responses['200'];
    const vendored = ['swagger-ui-bundle.js', 'swagger-ui.css'];
    expect(assetNames()).toEqual(expect.arrayContaining([...vendored, 'app.css', 'favicon.svg']));
    for (const name of assetNames()) {
      expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      expect(declared).toContain(getAsset(name)?.type);
      expect(getAsset(name)?.body.length).toBeGreaterThan(0);
    }
  });

  test('of our own are all used: by a page, or by a module of one', () => {
    const folder = new URL('../../src/pages/', import.meta.url);
    const sources = readdirSync(folder).filter((name) => name.endsWith('.ts'));
    const pages = sources.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n');
    const modules = own.filter((name) => name.endsWith('.js'));
    const imported = new Set(modules.flatMap(importedBy));
    const isUsed = (name: string) => pages.includes(`'${name}'`) || imported.has(assetUrl(name));
    expect(modules.filter((name) => !isUsed(name))).toEqual([]);
  });

  test.each(['', '.', '..', '../app.css', 'app.css/', 'APP.CSS', 'constructor', '__proto__'])(
    'do not include %j',
    (name) => {
      expect(getAsset(name)).toBeNull();
    },
  );

  test('have an address that names them by their hash, which never changes its body', () => {
    const url = assetUrl('app.css');
    expect(url).toMatch(/^\/static\/app\.[0-9a-f]{12}\.css$/);
    expect(getAsset(url.replace('/static/', ''))).toEqual({ ...getAsset('app.css'), immutable: true });
    expect(getAsset('app.css')?.immutable).toBe(false);
    expect(getAsset('app.000000000000.css')).toBeNull();
    expect(() => assetUrl('nothing.css')).toThrow(/no static file/);
  });

  test('import each other by their hashes', () => {
    expect(importedBy('shell.js')).toContain(assetUrl('times.js'));
    expect(importedBy('copy.js')).toContain(assetUrl('announce.js'));
    expect(getAsset('shell.js')?.body).not.toContain("'./times.js'");
  });

  test('load nothing from elsewhere, and the style stays small', () => {
    const css = getAsset('app.css')?.body ?? '';
    expect(Buffer.byteLength(css)).toBeLessThanOrEqual(CSS_LIMIT_BYTES);
    expect(css).toContain('prefers-color-scheme: dark');
    for (const name of own.filter((file) => !file.endsWith('.gen.js'))) {
      expect(readFileSync(new URL(name, PUBLIC), 'utf8'), name).not.toMatch(/@import|https?:|\/\/[a-z]+\./);
    }
  });

  test('of our own put what they are told into the page as text only', () => {
    for (const name of own.filter((file) => file.endsWith('.js'))) {
      expect(getAsset(name)?.body, name).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/,
      );
    }
  });
});
