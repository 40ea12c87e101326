// The findings of the doctor, as text for people and as JSON for programs. Pure.

export type Finding = {
  /** What was checked, in a few words. */
  readonly name: string;
  /** `unknown`: the check could not be made. */
  readonly status: 'ok' | 'problem' | 'unknown';
  readonly text: string;
  /** What to do; null if there is nothing to do. */
  readonly remedy: string | null;
};

/** What a number of machines needs. */
export type Plan = {
  readonly vms: number;
  readonly machineType: string;
  /** Null if the type is unknown. */
  readonly vcpusEach: number | null;
  readonly vcpusNeeded: number | null;
  /** The limit to request: the vCPUs needed plus those in use. */
  readonly limitNeeded: number | null;
  readonly quotaName: string | null;
  readonly quotaCode: string | null;
  readonly region: string | null;
  /** Of all machines together; null if the price is unknown. */
  readonly usdPerHour: number | null;
  /** The plan as text, one line each. */
  readonly lines: readonly string[];
};

export type Diagnosis = { readonly findings: readonly Finding[]; readonly plan: Plan | null };

export const ok = (name: string, text: string): Finding => ({ name, status: 'ok', text, remedy: null });
export const problem = (name: string, text: string, remedy: string): Finding => ({
  name,
  status: 'problem',
  text,
  remedy,
});
export const unknown = (name: string, text: string, remedy: string | null = null): Finding => ({
  name,
  status: 'unknown',
  text,
  remedy,
});

const marks = { ok: 'ok', problem: 'PROBLEM', unknown: 'unknown' } as const satisfies Record<
  Finding['status'],
  string
>;

export function isHealthy({ findings }: Diagnosis): boolean {
  return findings.every(({ status }) => status !== 'problem');
}

export function asText(diagnosis: Diagnosis): string {
  const { findings, plan } = diagnosis;
  const width = Math.max(...findings.map(({ name }) => name.length));
  const indent = ' '.repeat('PROBLEM'.length + 2 + width + 2);
  const lines = findings.flatMap(({ name, status, text, remedy }) => [
    `${marks[status].padEnd('PROBLEM'.length)}  ${name.padEnd(width)}  ${text}`,
    ...(remedy === null ? [] : [`${indent}→ ${remedy}`]),
  ]);
  const problems = findings.filter(({ status }) => status === 'problem').length;
  const sum =
    problems === 0
      ? 'Found no problem that prevents a launch on AWS.'
      : `${problems === 1 ? '1 problem prevents' : `${problems} problems prevent`} a launch on AWS.`;
  return [...(plan ? [...plan.lines, ''] : []), ...lines, '', sum, ''].join('\n');
}

export function asJson(diagnosis: Diagnosis): string {
  const { findings, plan } = diagnosis;
  return `${JSON.stringify({ ok: isHealthy(diagnosis), checks: findings, plan }, null, 2)}\n`;
}
