// What `lablink doctor --public` has found, as text for people and as JSON for programs. Pure.

export type Finding = {
  /** What was checked, in a few words. */
  readonly name: string;
  /** `warning`: it works, but not well. `unknown`: the check could not be made. */
  readonly status: 'ok' | 'problem' | 'warning' | 'unknown';
  readonly text: string;
  /** What to do; null if there is nothing to do. */
  readonly remedy: string | null;
};

const found =
  (status: Finding['status']) =>
  (name: string, text: string, remedy: string | null = null): Finding => ({ name, status, text, remedy });

export const ok = found('ok');
export const problem = found('problem');
export const warning = found('warning');
export const unknown = found('unknown');

const marks = {
  ok: 'ok',
  problem: 'PROBLEM',
  warning: 'warning',
  unknown: 'unknown',
} as const satisfies Record<Finding['status'], string>;
const MARK_WIDTH = marks.problem.length;

export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== 'problem');
}

export function asText(url: string, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const indent = ' '.repeat(MARK_WIDTH + 2 + width + 2);
  const lines = findings.flatMap(({ name, status, text, remedy }) => [
    `${marks[status].padEnd(MARK_WIDTH)}  ${name.padEnd(width)}  ${text}`,
    ...(remedy === null ? [] : [`${indent}→ ${remedy}`]),
  ]);
  const count = (wanted: Finding['status']): number =>
    findings.filter(({ status }) => status === wanted).length;
  const unchecked = count('unknown') === 0 ? '' : `; ${count('unknown')} could not be checked`;
  const sum =
    count('problem') === 0
      ? `No problem was found at ${url}${unchecked}.`
      : `${count('problem')} of ${findings.length} checks of ${url} found a problem${unchecked}.`;
  return [...lines, '', sum, ''].join('\n');
}

export function asJson(url: string, findings: readonly Finding[]): string {
  return `${JSON.stringify({ ok: isHealthy(findings), url, checks: findings }, null, 2)}\n`;
}
