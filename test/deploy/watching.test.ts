// The files for Prometheus and Grafana: what they name exists, each alert fires when it should, and each has its way out.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { requirePart } from '../support/required.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): Promise<string> => readFile(new URL(path, root), 'utf8');

const alertsSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          annotations: z.object({ summary: z.string(), description: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
});
const { groups } = alertsSchema.parse(parse(await read('deploy/prometheus/alerts.yaml')));
const rules = groups.flatMap((group) => group.rules);
const names = rules.map(({ alert }) => alert);

/** Ours, and what Prometheus itself adds. */
async function knownMetrics(): Promise<ReadonlySet<string>> {
  const text = await createMetrics().render(
    {
      version: '0',
      runningRequests: 0,
      responseFaults: 0,
      waitingVms: 0,
      listenerConnected: true,
      databaseUp: true,
      pool: { open: 0, idle: 0, waiting: 0, most: 1 },
      groups: [],
      orphans: null,
    },
    null,
  );
  const known = new Set(['up']);
  for (const [, name = '', kind] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const parts = kind === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const part of parts) known.add(`${name}${part}`);
  }
  return known;
}

/** The names of metrics in an expression: what is followed by labels, a range, or stands alone with one of our prefixes. */
function metricsIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:(?:lablink|nodejs|process)_\w+|up(?=\{))/g)].map(([name]) => name);
}

const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
const hasPromtool = requirePart(
  'promtool',
  promtool('--version').status === 0,
  'Install prometheus (Debian).',
);

test('every metric that an alert or the dashboard names exists', async () => {
  const dashboard = await read('deploy/grafana/lablink.json');
  const known = await knownMetrics();
  const panels = [...dashboard.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, expr = '']) => expr);
  const used = [...rules.map(({ expr }) => expr), ...panels].flatMap(metricsIn);
  expect(panels.length).toBeGreaterThan(20);
  expect(used.length).toBeGreaterThan(60);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test('the operations guide has the way out of every alert, and of no other', async () => {
  const guide = await read('docs/operations.md');
  const headings = [...guide.matchAll(/^#### (Lablink\w+)\n\n\S/gm)].map(([, name]) => name);
  expect(headings).toEqual(names);
  const links = rules.map(({ annotations }) => annotations.runbook);
  expect(links).toEqual(names.map((name) => `docs/operations.md#${name.toLowerCase()}`));
});

test.skipIf(!hasPromtool)(
  'every alert fires when it should and not before, and none on a quiet day',
  async () => {
    const suite = await read('test/deploy/alerts.yaml');
    const fires = [...suite.matchAll(/alertname: (\w+)\n\s+exp_alerts:\n\s+- exp_labels/g)].map(
      ([, name]) => name,
    );
    const quietDay = suite.slice(suite.indexOf('a quiet day'));
    for (const name of names) {
      expect(fires).toContain(name);
      expect(quietDay).toContain(`alertname: ${name}\n        exp_alerts: []`);
    }
    const run = promtool('test', 'rules', 'test/deploy/alerts.yaml');
    expect(run.stdout + run.stderr).toContain('SUCCESS');
    expect(run.status).toBe(0);
  },
);

test.skipIf(!hasPromtool)('the sample configuration of Prometheus is valid', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-prometheus-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const token = join(folder, 'token');
  await writeFile(token, 'a token');
  const sample = await read('deploy/prometheus/prometheus.yaml');
  await writeFile(
    join(folder, 'prometheus.yaml'),
    sample.replace('/etc/prometheus/lablink-metrics-token', token),
  );
  await writeFile(join(folder, 'alerts.yaml'), await read('deploy/prometheus/alerts.yaml'));
  const run = promtool('check', 'config', join(folder, 'prometheus.yaml'));
  expect(run.stdout + run.stderr).not.toContain('FAILED');
  expect(run.status).toBe(0);
});
