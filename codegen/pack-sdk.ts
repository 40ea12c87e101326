// `make sdk`: src/client -> dist/*.tgz, the npm package of the client: JavaScript with types. The optional argument is the
// output folder, by default dist/.
import { execFileSync } from 'node:child_process';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRecord } from './json.ts';

const root = new URL('..', import.meta.url);
const out = resolve(process.argv[2] ?? fileURLToPath(new URL('dist', root)));
const sdk = join(out, 'sdk');

async function readPackage(): Promise<{ version: string; openapiFetch: string }> {
  const manifest: unknown = JSON.parse(await readFile(new URL('package.json', root), 'utf8'));
  const dependencies = isRecord(manifest) ? manifest['dependencies'] : undefined;
  if (!isRecord(manifest) || !isRecord(dependencies)) throw new Error('package.json has no dependencies');
  const { version } = manifest;
  const openapiFetch = dependencies['openapi-fetch'];
  if (typeof version !== 'string' || typeof openapiFetch !== 'string')
    throw new Error('package.json lacks versions');
  return { version, openapiFetch };
}

await rm(sdk, { recursive: true, force: true });
const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root));
const project = fileURLToPath(new URL('tsconfig.sdk.json', root));
execFileSync(process.execPath, [tsc, '-p', project, '--outDir', sdk], { stdio: 'inherit' });
const { version, openapiFetch } = await readPackage();
const manifest = {
  name: 'lablink-client',
  version,
  description: 'A typed client of the LabLink Allocator.',
  license: 'BSD-3-Clause',
  type: 'module',
  exports: { '.': { types: './client/client.d.ts', default: './client/client.js' } },
  files: ['client', 'contract', 'openapi.yaml'],
  dependencies: { 'openapi-fetch': openapiFetch },
};
await writeFile(join(sdk, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
await copyFile(new URL('openapi.yaml', root), join(sdk, 'openapi.yaml'));
execFileSync('npm', ['pack', '--silent', '--pack-destination', out], { cwd: sdk, stdio: 'inherit' });
