// `make sdk`: src/client -> dist/*.tgz, JavaScript with types; what an integrator installs.
import { execFileSync } from 'node:child_process';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isRecord } from './json.ts';

const root = new URL('..', import.meta.url);
const sdk = new URL('dist/sdk/', root);

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
execFileSync('tsc', ['-p', fileURLToPath(new URL('tsconfig.sdk.json', root))], { stdio: 'inherit' });
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
await writeFile(new URL('package.json', sdk), `${JSON.stringify(manifest, null, 2)}\n`);
await copyFile(new URL('openapi.yaml', root), new URL('openapi.yaml', sdk));
execFileSync('npm', ['pack', '--silent', '--pack-destination', fileURLToPath(new URL('dist', root))], {
  cwd: fileURLToPath(sdk),
  stdio: 'inherit',
});
