import { describe, expect, test } from 'vitest';
import { operations } from '../../src/contract/operations.gen.ts';
import { assetNames, assetUrl, getAsset } from '../../src/pages/assets.ts';

const CSS_LIMIT_BYTES = 10_000;

describe('static files', () => {
  test('are those that the pages use, each with a content type that the contract declares', () => {
    const declared = operations.getAsset.responses['200'];
    expect([...assetNames()].sort()).toEqual([
      'app.css',
      'assignment.js',
      'dashboard.js',
      'docs-init.js',
      'favicon.svg',
      'swagger-ui-bundle.js',
      'swagger-ui.css',
    ]);
    for (const name of assetNames()) {
      expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      expect(declared).toContain(getAsset(name)?.type);
      expect(getAsset(name)?.body.length).toBeGreaterThan(0);
    }
  });

  test.each(['', '.', '..', '../app.css', 'app.css/', 'APP.CSS', 'constructor', '__proto__'])(
    'do not include %j',
    (name) => {
      expect(getAsset(name)).toBeNull();
    },
  );

  test('have an address that names them, with a version', () => {
    expect(assetUrl('app.css')).toMatch(/^\/static\/app\.css\?v=[0-9a-f]{12}$/);
    expect(() => assetUrl('nothing.css')).toThrow(/no static file/);
  });

  test('load nothing from elsewhere, and the style stays small', () => {
    const css = getAsset('app.css')?.body ?? '';
    expect(Buffer.byteLength(css)).toBeLessThanOrEqual(CSS_LIMIT_BYTES);
    expect(css).toContain('prefers-color-scheme: dark');
    for (const name of ['app.css', 'assignment.js', 'docs-init.js']) {
      expect(getAsset(name)?.body, name).not.toMatch(/@import|https?:|\/\/[a-z]+\./);
    }
  });

  test('of our own put what they are told into the page as text only', () => {
    for (const name of ['assignment.js', 'docs-init.js']) {
      expect(getAsset(name)?.body, name).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval/,
      );
    }
  });
});
