// Health, the OpenAPI document, the docs page and static files.
import type { HandlersOf } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import { tryReadBackupState } from '../db/backups.ts';
import { readGroupSizes } from '../db/grouped.ts';
import type { Shares } from '../db/shares.ts';
import { getAsset } from '../pages/assets.ts';
import { renderDocs } from '../pages/docs.ts';
import { json, page } from './replies.ts';

/** Checks one thing that requests need. */
export type HealthCheck = {
  readonly name: string;
  /** Null = ready; otherwise what is wrong. Never throws. */
  readonly check: () => Promise<string | null>;
  /** Something is wrong, but requests can be served. */
  readonly isWarning?: true;
};

export type SystemDependencies = {
  readonly checks: readonly HealthCheck[];
  /** The health shows the sizes of their groups. */
  readonly shares: Shares;
  /** The text of openapi.yaml. */
  readonly contractYaml: string;
  /** The same, parsed. */
  readonly contract: Record<string, unknown>;
  readonly site?: string;
  readonly metrics: MetricsSource;
};

type MetricsSource = {
  /** `token`: METRICS_TOKEN is set. `open`: nobody else can reach this server. `off`: somebody could. */
  readonly access: () => 'token' | 'open' | 'off';
  readonly render: () => Promise<string>;
};

export function createSystemHandlers({
  checks,
  shares,
  contract,
  contractYaml,
  site,
  metrics,
}: SystemDependencies): HandlersOf<'system'> {
  return {
    getHealth: async () => {
      const [results, backups] = await Promise.all([runChecks(checks), tryReadBackupState(shares.others)]);
      const last = backups?.last ?? null;
      const backup = last && { age_seconds: Math.round(last.ageSeconds), bytes: last.bytes };
      const ready = results.every(({ ok }) => ok);
      const groups = readGroupSizes(Object.values(shares));
      if (ready) return json({ status: 'ok' as const, checks: results, backup, groups });
      return {
        status: 503,
        type: 'application/json',
        body: { status: 'unavailable', checks: results, backup, groups },
      };
    },
    getLiveness: () => json({ status: 'ok' as const }),
    getMetrics: async ({ caller }) => {
      const access = caller.kind === 'monitor' ? 'open' : metrics.access();
      if (access === 'off') return problem('metrics_off');
      if (access === 'token') return problem('token_required', TOKEN_MISSING);
      return { status: 200, type: 'text/plain', body: await metrics.render() };
    },
    getContractYaml: () => ({ status: 200, type: 'application/yaml', body: contractYaml }),
    getContractJson: () => json(contract),
    docsPage: () => page(renderDocs(site)),
    getAsset: ({ path }) => {
      const asset = getAsset(path.file);
      if (!asset) return problem('not_found');
      const { type, body, immutable } = asset;
      return { status: 200, type, body, headers: immutable ? FOR_EVER : FOR_A_WHILE };
    },
  };
}

const TOKEN_MISSING = {
  detail: 'Send METRICS_TOKEN: `Authorization: Bearer <METRICS_TOKEN>`.',
  headers: { 'WWW-Authenticate': 'Bearer realm="LabLink"' },
};

/** A file with a hash in its name never changes; any other may be stale for five minutes. */
const FOR_EVER = { 'Cache-Control': 'public, max-age=31536000, immutable' };
const FOR_A_WHILE = { 'Cache-Control': 'public, max-age=300' };

export type CheckResult = { readonly name: string; readonly ok: boolean; readonly detail?: string };

/** All checks at once. */
export async function runChecks(checks: readonly HealthCheck[]): Promise<CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, check, isWarning = false }) => {
      const detail = await check();
      return detail === null ? { name, ok: true } : { name, ok: isWarning, detail };
    }),
  );
}
