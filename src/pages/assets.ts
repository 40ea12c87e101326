// The static files of the pages, read once at start: what stands in templates/public and what the docs page needs of
// Swagger UI. Names are flat; nothing else can be asked for.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type AssetType = 'text/css' | 'text/javascript' | 'image/svg+xml';
export type Asset = { readonly type: AssetType; readonly body: string };
/** The address changes with the body. */
type Entry = { readonly asset: Asset; readonly url: string };

const PUBLIC = new URL('../../templates/public/', import.meta.url);
const SWAGGER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];
const UPLOT_FILES = ['uPlot.min.css', 'uPlot.iife.min.js'];
const VERSION_CHARACTERS = 12;

const assets = loadAssets();

/** A static file by its flat name; null where there is none. */
export function getAsset(name: string): Asset | null {
  return assets.get(name)?.asset ?? null;
}

/** Every name that `getAsset` knows. */
export function assetNames(): readonly string[] {
  return [...assets.keys()];
}

/** The address of a file, with its version, so that browsers may keep it for ever. Throws where there is no such file. */
export function assetUrl(name: string): string {
  const entry = assets.get(name);
  if (!entry) throw new Error(`there is no static file ${name}`);
  return entry.url;
}

function loadAssets(): ReadonlyMap<string, Entry> {
  const require = createRequire(import.meta.url);
  const own = readdirSync(PUBLIC)
    .filter((name) => !name.startsWith('.'))
    .map((name): [string, URL | string] => [name, new URL(name, PUBLIC)]);
  const swagger = SWAGGER_FILES.map((name): [string, string] => [
    name,
    require.resolve(`swagger-ui-dist/${name}`),
  ]);
  // The package's own exports do not name its files.
  const uplotFolder = dirname(require.resolve('uplot'));
  const uplot = UPLOT_FILES.map((name): [string, string] => [name, join(uplotFolder, name)]);
  return new Map([...own, ...swagger, ...uplot].map(([name, file]) => [name, readAsset(name, file)]));
}

function readAsset(name: string, file: URL | string): Entry {
  const body = readFileSync(file, 'utf8');
  const version = createHash('sha256').update(body).digest('hex').slice(0, VERSION_CHARACTERS);
  return { asset: { type: typeOf(name), body }, url: `/static/${name}?v=${version}` };
}

function typeOf(name: string): AssetType {
  if (name.endsWith('.css')) return 'text/css';
  if (name.endsWith('.js')) return 'text/javascript';
  if (name.endsWith('.svg')) return 'image/svg+xml';
  throw new Error(`templates/public/${name}: the contract has no content type for it`);
}
