// Which engine the tests run on: the double, or the real Pulumi CLI (`LABLINK_TEST_ENGINE=real:<folder with bin/pulumi>`).
// The code under test must not be able to distinguish them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { doublesFolder } from './doubles.ts';

export type TestEngine = {
  readonly kind: 'double' | 'real';
  /** The folder with bin/pulumi, for `PulumiCommand.get({ root })`. */
  readonly pulumiRoot: string;
  /** Variables that the engine needs in addition to those of test/support/cloud.ts. */
  readonly env: Readonly<Record<string, string>>;
};

/**
 * The engine that LABLINK_TEST_ENGINE names.
 *
 * @param options.seed of the double: decides the order of steps whose order the real engine does not guarantee
 * @param options.limit of the double: how many steps may run at the same time, 8 by default
 */
export function testEngine(options: { readonly seed?: number; readonly limit?: number } = {}): TestEngine {
  const chosen = process.env['LABLINK_TEST_ENGINE'] ?? 'double';
  const folder = /^real:(.+)$/.exec(chosen)?.[1];
  if (chosen !== 'double' && folder === undefined)
    throw new Error(
      `LABLINK_TEST_ENGINE is ${chosen}; it must be \`double\` or \`real:<folder with bin/pulumi>\`.`,
    );
  const pulumiRoot = folder ?? join(doublesFolder(), 'pulumi');
  if (!existsSync(join(pulumiRoot, 'bin', 'pulumi')))
    throw new Error(`There is no bin/pulumi in ${pulumiRoot}, which LABLINK_TEST_ENGINE names.`);
  const quiet = {
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
  };
  return {
    kind: folder === undefined ? 'double' : 'real',
    pulumiRoot,
    env: folder === undefined ? { ...quiet, ...doubleEnv(options) } : quiet,
  };
}

function doubleEnv({ seed = 1, limit }: { seed?: number; limit?: number }): Record<string, string> {
  const limited = limit === undefined ? {} : { LABLINK_ENGINE_LIMIT: String(limit) };
  return { LABLINK_ENGINE_SEED: String(seed), ...limited };
}
