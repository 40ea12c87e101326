// Hostnames of the machines that we launch: `<deployment>-vm-<environment>-<n>`. Pure.

export type Deployment = {
  /** As the configuration has them: usable as parts of a hostname. */
  readonly name: string;
  readonly environment: string;
};

/** The next free hostnames, lowest numbers first, leaving out those that are taken. */
export function nextHostnames(deployment: Deployment, count: number, taken: ReadonlySet<string>): string[] {
  const hostnames: string[] = [];
  for (let number = 1; hostnames.length < count; number += 1) {
    const hostname = `${deployment.name}-vm-${deployment.environment}-${number}`;
    if (!taken.has(hostname)) hostnames.push(hostname);
  }
  return hostnames;
}
