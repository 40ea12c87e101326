// Health, the contract itself, the docs page, static files.
import type { HandlersOf } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import { getAsset } from '../pages/assets.ts';
import { renderDocs } from '../pages/docs.ts';

/** One thing that a request needs. */
export type HealthCheck = {
  readonly name: string;
  /** null = ready; else a sentence that says what is missing. Never throws. */
  readonly check: () => Promise<string | null>;
};

export type SystemDependencies = {
  readonly checks: readonly HealthCheck[];
  /** The text of openapi.yaml. */
  readonly contractYaml: string;
  /** The same, parsed. */
  readonly contract: Record<string, unknown>;
};

export function createSystemHandlers({
  checks,
  contract,
  contractYaml,
}: SystemDependencies): HandlersOf<'system'> {
  return {
    getHealth: async () => {
      const results = await runChecks(checks);
      const ready = results.every(({ ok }) => ok);
      if (ready) return { status: 200, type: 'application/json', body: { status: 'ok', checks: results } };
      return {
        status: 503,
        type: 'application/json',
        body: { status: 'unavailable', checks: results },
        headers: RETRY,
      };
    },
    getLiveness: () => ({ status: 200, type: 'application/json', body: { status: 'ok' } }),
    getContractYaml: () => ({ status: 200, type: 'application/yaml', body: contractYaml }),
    getContractJson: () => ({ status: 200, type: 'application/json', body: contract }),
    docsPage: () => ({ status: 200, type: 'text/html', body: renderDocs() }),
    getAsset: ({ path }) => {
      const asset = getAsset(path.file);
      if (!asset) return problem('not_found');
      const { type, body, immutable } = asset;
      return { status: 200, type, body, headers: immutable ? FOR_EVER : FOR_A_WHILE };
    },
  };
}

const RETRY = { 'Retry-After': '5' };
/** A name with a hash never changes its body; one without may be stale for a while. */
const FOR_EVER = { 'Cache-Control': 'public, max-age=31536000, immutable' };
const FOR_A_WHILE = { 'Cache-Control': 'public, max-age=300' };

export type CheckResult = { readonly name: string; readonly ok: boolean; readonly detail?: string };

/** All checks at once. */
export async function runChecks(checks: readonly HealthCheck[]): Promise<CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, check }) => {
      const missing = await check();
      return missing === null ? { name, ok: true } : { name, ok: false, detail: missing };
    }),
  );
}
