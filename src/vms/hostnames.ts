// Hostnames of the machines that we launch: `<deployment>-vm-<environment>-<n>`. Pure.

export type Deployment = {
  /** As the configuration has them: usable as parts of a hostname. */
  readonly name: string;
  readonly environment: string;
};

const natural = new Intl.Collator('en', { numeric: true });

/** The order in which people count: `…-2` before `…-10`. */
export function compareHostnames(one: string, other: string): number {
  return natural.compare(one, other) || (one < other ? -1 : one > other ? 1 : 0);
}

/** The next free hostnames, lowest numbers first, leaving out those that are taken. */
export function nextHostnames(deployment: Deployment, count: number, taken: ReadonlySet<string>): string[] {
  const hostnames: string[] = [];
  for (let number = 1; hostnames.length < count; number += 1) {
    const hostname = `${deployment.name}-vm-${deployment.environment}-${number}`;
    if (!taken.has(hostname)) hostnames.push(hostname);
  }
  return hostnames;
}
