import { readdirSync, readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { endpoints } from '../../src/contract/endpoints.gen.ts';
import { assetNames, assetUrl, checkAssets, getAsset, readAssets } from '../../src/pages/assets.ts';

const root = new URL('../../', import.meta.url);
const textsOf = (folder: string, ends: string): string[] =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith(ends))
    .map((name) => readFileSync(new URL(`${folder}/${name}`, root), 'utf8'));
/** With what is left of Tabler's, which is 635 kB whole; as browsers receive it. */
const CSS_WIRE_BYTES = 17_000;

test('every static file has a name without a path and a content type that the contract declares', () => {
  const declared = endpoints.getAsset.responses['200'];
  expect(assetNames()).toEqual(
    expect.arrayContaining(['swagger-ui-bundle.js', 'swagger-ui.css', 'app.css', 'favicon.svg']),
  );
  for (const name of assetNames()) {
    expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
    expect(declared).toContain(getAsset(name)?.type);
    expect(getAsset(name)?.body.length).toBeGreaterThan(0);
  }
});

test('every module for browsers is used by a page', () => {
  const pages = textsOf('src/pages', '.ts').join('\n');
  const modules = readdirSync(new URL('src/browser/pages', root)).map((name) => name.replace('.ts', '.js'));
  expect(modules.length).toBeGreaterThan(10);
  expect(modules.filter((name) => !pages.includes(`'${name}'`))).toEqual([]);
});

test.each(['', '.', '..', '../app.css', 'app.css/', 'APP.CSS', 'constructor', '__proto__', 'assets.json'])(
  'there is no static file %j',
  (name) => {
    expect(getAsset(name)).toBeNull();
  },
);

test('the address of a static file names it by its hash, under which its body never changes', () => {
  const url = assetUrl('app.css');
  expect(url).toMatch(/^\/static\/app\.[0-9A-Z]{8}\.css$/);
  expect(getAsset(url.replace('/static/', ''))).toEqual({ ...getAsset('app.css'), immutable: true });
  expect(getAsset('app.css')?.immutable).toBe(false);
  expect(getAsset('app.00000000.css')).toBeNull();
  expect(() => assetUrl('nothing.css')).toThrow(/no static file/);
});

test('without built static files, the error names `make assets`', () => {
  expect(checkAssets()).toMatchObject({ ok: true });
  expect(readAssets(new URL('nowhere/', root))).toMatchObject({
    ok: false,
    failure: { code: 'assets_not_built', remedy: expect.stringContaining('`make assets`') as string },
  });
});

test('modules import each other by their hashes', () => {
  const imported = [...(getAsset('shell.js')?.body ?? '').matchAll(/from"\.\/([^"]+)"/g)];
  expect(imported.length).toBeGreaterThan(0);
  for (const [, name = ''] of imported) expect(getAsset(name)?.immutable).toBe(true);
});

test('styles and scripts load nothing from elsewhere, and the style is small', () => {
  const css = getAsset('app.css')?.body ?? '';
  expect(brotliCompressSync(css).length).toBeLessThanOrEqual(CSS_WIRE_BYTES);
  for (const text of [...textsOf('templates/public', '.css'), ...textsOf('src/browser', '.ts')])
    expect(text).not.toMatch(/@import '(?!@tabler|uplot)|https?:|\/\/[a-z]+\./);
});

test('modules put what the server sends into the page as text only', () => {
  for (const text of [...textsOf('src/browser', '.ts'), ...textsOf('src/browser/pages', '.ts')])
    expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/);
});
