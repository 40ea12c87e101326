// The vCPU quotas of AWS for machines that run on demand: which one an instance type counts against, by its family. Pure.

export type QuotaFamily = 'standard' | 'G' | 'P' | 'X' | 'F' | 'Inf' | 'Trn' | 'DL' | 'HPC' | 'HighMemory';

export type Quota = {
  readonly family: QuotaFamily;
  /** As Service Quotas lists it. */
  readonly name: string;
  readonly code: string;
  /** Families of instance types, longest first where one begins another. */
  readonly prefixes: readonly string[];
};

const name = (families: string): string => `Running On-Demand ${families} instances`;

export const quotas: readonly Quota[] = [
  { family: 'G', name: name('G and VT'), code: 'L-DB2E81BA', prefixes: ['g', 'vt', 'gr'] },
  { family: 'P', name: name('P'), code: 'L-417A185B', prefixes: ['p'] },
  { family: 'Inf', name: name('Inf'), code: 'L-1945791B', prefixes: ['inf'] },
  { family: 'Trn', name: name('Trn'), code: 'L-2C3B7624', prefixes: ['trn'] },
  { family: 'DL', name: name('DL'), code: 'L-6E869C2A', prefixes: ['dl'] },
  { family: 'HPC', name: name('HPC'), code: 'L-F7808C92', prefixes: ['hpc'] },
  { family: 'F', name: name('F'), code: 'L-74FC7D96', prefixes: ['f'] },
  { family: 'X', name: name('X'), code: 'L-7295265B', prefixes: ['x'] },
  { family: 'HighMemory', name: name('High Memory'), code: 'L-43DA4232', prefixes: ['u'] },
  {
    family: 'standard',
    name: name('Standard (A, C, D, H, I, M, R, T, Z)'),
    code: 'L-1216C47A',
    prefixes: ['a', 'c', 'd', 'h', 'i', 'im', 'is', 'm', 'mac', 'r', 't', 'z'],
  },
];

export const SERVICE_CODE = 'ec2';

/** The quota that a type such as `g4dn.xlarge` counts against; null where the family is none that is known. */
export function quotaOf(instanceType: string): Quota | null {
  const letters = /^[a-z]+/.exec(instanceType.toLowerCase())?.[0] ?? '';
  return quotas.find(({ prefixes }) => prefixes.includes(letters)) ?? null;
}

export function quotaNamed(family: QuotaFamily): Quota {
  const found = quotas.find((quota) => quota.family === family);
  if (!found) throw new Error(`no such quota: ${family}`);
  return found;
}
