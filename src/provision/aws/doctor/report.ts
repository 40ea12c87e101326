// What the doctor finds, and how it is said: as text for people, as JSON for programs. Pure.

export type Finding = {
  /** A few words: what was looked at. */
  readonly name: string;
  /** `unknown`: it could not be found out, which is not bad by itself. */
  readonly status: 'ok' | 'problem' | 'unknown';
  readonly text: string;
  /** What to do about it; null where nothing has to be. */
  readonly remedy: string | null;
};

/** What to ask AWS for, so that so many machines can run. */
export type Plan = {
  readonly vms: number;
  readonly machineType: string;
  /** Null where the type is not known. */
  readonly vcpusEach: number | null;
  readonly vcpusNeeded: number | null;
  /** The limit to ask for: what is needed beside what runs already. */
  readonly limitNeeded: number | null;
  readonly quotaName: string | null;
  readonly quotaCode: string | null;
  readonly region: string | null;
  /** Of an hour of all machines together; null where the price is not known. */
  readonly usdPerHour: number | null;
  /** Lines that say it. */
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
      ? 'Nothing is in the way of a launch on AWS, as far as it can be seen from here.'
      : `${problems === 1 ? '1 problem is' : `${problems} problems are`} in the way of a launch on AWS.`;
  return [...(plan ? [...plan.lines, ''] : []), ...lines, '', sum, ''].join('\n');
}

export function asJson(diagnosis: Diagnosis): string {
  const { findings, plan } = diagnosis;
  return `${JSON.stringify({ ok: isHealthy(diagnosis), checks: findings, plan }, null, 2)}\n`;
}
