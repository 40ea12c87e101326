// The static files of the pages: what `make assets` put into dist/public, read once at start. Names are flat; nothing else can
// be asked for.
import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { fail, succeed, type Result } from '../result.ts';

type AssetType = 'text/css' | 'text/javascript' | 'image/svg+xml';
export type Asset = {
  readonly type: AssetType;
  readonly body: string;
  /** The name holds the hash of the body, so that browsers may keep it for ever. */
  readonly immutable: boolean;
};

type Assets = {
  /** The name that pages use → the name with the hash. */
  readonly names: ReadonlyMap<string, string>;
  /** By the name with the hash. */
  readonly files: ReadonlyMap<string, Asset>;
};

const FOLDER = new URL('../../dist/public/', import.meta.url);
const NAMES = 'assets.json';
const namesSchema = z.record(z.string(), z.string());

const loaded = readAssets(FOLDER);

/** Fails where the files were not built. */
export function checkAssets(): Result {
  return loaded.ok ? succeed(undefined) : loaded;
}

/** A static file by its name, with its hash or without; null where there is none. */
export function getAsset(name: string): Asset | null {
  const { names, files } = assets();
  const hashed = names.get(name);
  const asset = files.get(hashed ?? name);
  return asset ? { ...asset, immutable: hashed === undefined } : null;
}

/** Every name that `getAsset` knows without a hash. */
export function assetNames(): readonly string[] {
  return [...assets().names.keys()];
}

/** The address of a file, with its hash. Throws where there is no such file. */
export function assetUrl(name: string): string {
  const hashed = assets().names.get(name);
  if (hashed === undefined) throw new Error(`there is no static file ${name}`);
  return `/static/${hashed}`;
}

function assets(): Assets {
  if (!loaded.ok) throw new Error(`${loaded.failure.message} ${loaded.failure.remedy}`);
  return loaded.value;
}

/** What `make assets` put into this folder; fails where it did not. */
export function readAssets(folder: URL): Result<Assets> {
  try {
    const names = namesSchema.parse(JSON.parse(readFileSync(new URL(NAMES, folder), 'utf8')));
    const files = readdirSync(folder)
      .filter((name) => name !== NAMES && !name.startsWith('.'))
      .map((name) => [name, readAsset(name, folder)] as const);
    return succeed({ names: new Map(Object.entries(names)), files: new Map(files) });
  } catch {
    return fail({
      code: 'assets_not_built',
      message: 'The styles and scripts of the pages are not built.',
      remedy: 'Run `make assets`, or start the server with `make run`, which builds them.',
    });
  }
}

function readAsset(name: string, folder: URL): Asset {
  return { type: typeOf(name), body: readFileSync(new URL(name, folder), 'utf8'), immutable: true };
}

function typeOf(name: string): AssetType {
  if (name.endsWith('.css')) return 'text/css';
  if (name.endsWith('.js')) return 'text/javascript';
  if (name.endsWith('.svg')) return 'image/svg+xml';
  throw new Error(`${name}: the contract has no content type for it`);
}
