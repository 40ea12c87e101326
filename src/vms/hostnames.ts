// Hostnames of launched machines: `<deployment>-vm-<environment>-<n>`. Pure.

export type Deployment = {
  /** Both are valid parts of a hostname. */
  readonly name: string;
  readonly environment: string;
};

const natural = new Intl.Collator('en', { numeric: true });

/** Natural order: `…-2` before `…-10`. */
export function compareHostnames(one: string, other: string): number {
  return natural.compare(one, other) || (one < other ? -1 : one > other ? 1 : 0);
}

type Named = { readonly hostname: string };

/** For `sort`: the natural order of hostnames. */
export function byHostname(one: Named, other: Named): number {
  return compareHostnames(one.hostname, other.hostname);
}

/** The next hostnames that are not taken, lowest numbers first. */
export function nextHostnames(deployment: Deployment, count: number, taken: ReadonlySet<string>): string[] {
  const hostnames: string[] = [];
  for (let number = 1; hostnames.length < count; number += 1) {
    const hostname = `${deployment.name}-vm-${deployment.environment}-${number}`;
    if (!taken.has(hostname)) hostnames.push(hostname);
  }
  return hostnames;
}
