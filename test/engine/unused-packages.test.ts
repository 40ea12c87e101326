// What the child process that runs Pulumi loads. Measured with it: 0.2 s of processor time and 90 MB, without it 0.4 s and 139 MB.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
/** As child-main.ts, and then both programs. */
const LOAD = `
  import { createRequire } from 'node:module';
  const { leaveOutUnusedPackages } = await import('./src/provision/engine/child/unused-packages.ts');
  leaveOutUnusedPackages();
  await import('./src/provision/engine/child/commands.ts');
  const programs = [await import('./infra/client-vms.ts'), await import('./infra/allocator.ts')];
  const require = createRequire(import.meta.resolve('@pulumi/pulumi/index.js'));`;

async function run(code: string): Promise<unknown> {
  const args = ['--input-type=module', '--eval', `${LOAD}\nconsole.log(JSON.stringify(await (${code})()))`];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  return JSON.parse(stdout);
}

describe('the child process of Pulumi', () => {
  test('loads only the packages that it needs, and of those that it leaves out no file', async () => {
    const loaded = (await run(`() => Object.values(require.cache)
      .filter(({ exports }) => typeof exports !== 'object' || Object.getOwnPropertyNames(exports).length > 0)
      .map(({ filename }) => filename)`)) as string[];
    const files = loaded.map((file) =>
      file.slice(file.lastIndexOf('node_modules/') + 'node_modules/'.length),
    );
    expect(
      files.filter((file) => /^(?:typescript|ts-node|@npmcli|pacote|normalize-package-data)\b/.test(file)),
    ).toEqual([]);
    expect(files.filter((file) => /typescript/.test(file))).toEqual([]);
    expect(files).toContain('@pulumi/pulumi/runtime/closure/parseFunction.js');
    // 782 with them. @pulumi/aws as a whole would be thousands.
    expect(files.length).toBeLessThan(400);
  });

  test.each([
    ['TypeScript', './typescript-shim.js', `runtime.serializeFunction(() => 1)`],
    ['the packages of npm', 'normalize-package-data', `runtime.computeCodePaths()`],
  ])('fails and names what was left out when Pulumi uses %s', async (_, name, use) => {
    const message = await run(`async () => {
      const { runtime } = require('@pulumi/pulumi');
      return ${use}.then(() => 'used', ({ message }) => message);
    }`);
    expect(message).toContain(
      `of ${name}, which the allocator does not load. Remove it from UNUSED_PACKAGES`,
    );
  });
});
