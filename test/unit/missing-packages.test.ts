import { describe, expect, test } from 'vitest';
import { loadInstalled } from '../../src/provision/providers.ts';

describe('a package for AWS that is not installed', () => {
  test('is named, with what to do in a checkout and in each kind of installation', async () => {
    const name = '@aws-sdk/client-that-is-not-installed';
    const loaded = await loadInstalled(() => {
      const message = `Cannot find package '${name}' imported from /usr/local/lib/lablink/src/main.js`;
      throw Object.assign(new Error(message), { code: 'ERR_MODULE_NOT_FOUND' });
    });
    expect(loaded).toMatchObject({
      failure: { code: 'packages_missing', message: `The package ${name} is not installed.` },
    });
    const remedy = loaded.ok ? '' : loaded.failure.remedy;
    for (const way of ['make setup-aws', 'make install PROVIDER=aws', 'LABLINK_TARGET=aws'])
      expect(remedy).toContain(way);
  });

  test('is told from a module of the program that is missing', async () => {
    const load = () => {
      const message = "Cannot find module '/srv/lablink/src/none.ts' imported from /srv/lablink/src/main.ts";
      throw Object.assign(new Error(message), { code: 'ERR_MODULE_NOT_FOUND' });
    };
    await expect(loadInstalled(load)).rejects.toThrow('none.ts');
  });
});
