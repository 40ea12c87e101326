// What the engine finds in its environment, and where its program is looked for.
import { resolve } from 'node:path';
import { variableNames } from '../config/read.ts';
import type { AwsFolders } from '../provision/aws/context.ts';
import type { ToolFolders } from '../provision/aws/tools.ts';
import type { Environment } from './environment.ts';

export function toolFolders(
  { config, env }: Pick<Environment, 'config' | 'env'>,
  folders: AwsFolders,
): ToolFolders {
  const { cliDir } = config.pulumi;
  return {
    configured: cliDir === undefined ? undefined : resolve(cliDir),
    own: folders.cli,
    pulumiHome: folders.pulumiHome,
    path: env['PATH'] ?? '',
  };
}

/** All but the server's own variables: the clouds', the proxies', the network's are the engine's too. */
export function engineEnvironment(env: Environment['env']): Record<string, string> {
  const own = new Set(variableNames);
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || own.has(name) ? [] : [[name, value]],
    ),
  );
}
