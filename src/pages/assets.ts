// The static files of the pages, read once at start: what stands in templates/public, Tabler's stylesheet fitted to the
// templates, and what the docs page needs of Swagger UI and the charts of uPlot. Names are flat; nothing else can be asked for.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { readTemplates, TEMPLATES } from './render.ts';
import { fitStylesheet, namesIn } from './stylesheet.ts';

export type AssetType = 'text/css' | 'text/javascript' | 'image/svg+xml';
export type Asset = {
  readonly type: AssetType;
  readonly body: string;
  /** Its name holds the hash of its body, so that it may be kept for ever. */
  readonly immutable: boolean;
};
type Entry = {
  readonly type: AssetType;
  readonly body: string;
  /** `name.<hash>.type`: it changes with the body. */
  readonly hashedName: string;
};

const PUBLIC = new URL('public/', TEMPLATES);
const VENDORED = {
  'swagger-ui.css': 'swagger-ui-dist/swagger-ui.css',
  'swagger-ui-bundle.js': 'swagger-ui-dist/swagger-ui-bundle.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
  'uplot.js': 'uplot/dist/uPlot.iife.min.js',
} as const;
const TABLER = '@tabler/core/dist/css/tabler.min.css';
const HASH_CHARACTERS = 12;
/** How our modules name each other. */
const IMPORT = /(?<=\bfrom '|\bimport ')\.\/([\w.-]+\.js)(?=')/g;

const assets = loadAssets();
const byHashedName = new Map([...assets].map(([name, { hashedName }]) => [hashedName, name]));

/** A static file by its flat name, with its hash or without; null where there is none. */
export function getAsset(name: string): Asset | null {
  const plain = byHashedName.get(name);
  const entry = assets.get(plain ?? name);
  return entry ? { type: entry.type, body: entry.body, immutable: plain !== undefined } : null;
}

/** Every name without a hash that `getAsset` knows. */
export function assetNames(): readonly string[] {
  return [...assets.keys()];
}

/** The address of a file, with its hash, so that browsers may keep it for ever. Throws where there is no such file. */
export function assetUrl(name: string): string {
  return `/static/${entryOf(name).hashedName}`;
}

function entryOf(name: string): Entry {
  const entry = assets.get(name);
  if (!entry) throw new Error(`there is no static file ${name}`);
  return entry;
}

function loadAssets(): ReadonlyMap<string, Entry> {
  const require = createRequire(import.meta.url);
  const texts = new Map(
    readdirSync(PUBLIC)
      .filter((name) => !name.startsWith('.'))
      .map((name) => [name, readFileSync(new URL(name, PUBLIC), 'utf8')]),
  );
  const usedNames = namesIn([...texts.values(), ...readTemplates(TEMPLATES).values()]);
  // One sheet, since nothing is painted before all are there; ours comes last, so that it has the last word.
  const fitted = fitStylesheet(readFileSync(require.resolve(TABLER), 'utf8'), usedNames);
  texts.set('app.css', `${fitted}\n${texts.get('app.css') ?? ''}`);
  for (const [name, file] of Object.entries(VENDORED)) {
    texts.set(name, readFileSync(require.resolve(file), 'utf8'));
  }
  return linkAll(texts);
}

/** Each with its hash. A module names what it imports by their hashes, so those come first. */
function linkAll(texts: ReadonlyMap<string, string>): ReadonlyMap<string, Entry> {
  const linked = new Map<string, Entry>();
  const vendored: readonly string[] = Object.keys(VENDORED);
  const link = (name: string, importers: readonly string[]): Entry => {
    const text = texts.get(name);
    if (text === undefined || importers.includes(name)) {
      throw new Error(
        `templates/public/${importers.at(-1) ?? ''} imports ${name}: no such file, or a circle`,
      );
    }
    const known = linked.get(name);
    if (known) return known;
    const isModule = name.endsWith('.js') && !vendored.includes(name);
    const direct = isModule ? [...text.matchAll(IMPORT)].map(([, file = '']) => file) : [];
    const found = new Map(direct.map((file) => [file, link(file, [...importers, name])]));
    const body = isModule
      ? text.replaceAll(IMPORT, (_, file: string) => `./${found.get(file)?.hashedName ?? file}`)
      : text;
    const entry = { type: typeOf(name), body, hashedName: hashedName(name, body) };
    linked.set(name, entry);
    return entry;
  };
  for (const name of texts.keys()) link(name, []);
  return linked;
}

function hashedName(name: string, body: string): string {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, HASH_CHARACTERS);
  const dot = name.lastIndexOf('.');
  return `${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
}

function typeOf(name: string): AssetType {
  if (name.endsWith('.css')) return 'text/css';
  if (name.endsWith('.js')) return 'text/javascript';
  if (name.endsWith('.svg')) return 'image/svg+xml';
  throw new Error(`templates/public/${name}: the contract has no content type for it`);
}
