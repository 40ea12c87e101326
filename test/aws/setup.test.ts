// `lablink setup`, as people start it: what is there is said; what can be downloaded is brought by the Automation API's own
// calls; what cannot is named, with where to put it. Nothing here reaches a network: get.pulumi.com is a file.
import { chmod, mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { testEngine } from '../support/engine.ts';
import { startProgram } from '../support/program.ts';

const DOUBLES = join(import.meta.dirname, '../doubles');
const SITE = pathToFileURL(join(import.meta.dirname, '../support/pulumi-site.ts')).href;

/** What get.pulumi.com/install.sh would be: brings a CLI that brings a plugin, and notes how both were called. */
const INSTALLER = `#!/bin/sh
echo "install.sh $*" >> "$PULUMI_SITE_DIARY"
while [ $# -gt 0 ]; do
  case "$1" in --install-root) root="$2"; shift ;; esac
  shift
done
mkdir -p "$root/bin"
cat > "$root/bin/pulumi" <<'CLI'
#!/bin/sh
if [ "$1" = version ]; then echo v3.260.0; exit 0; fi
echo "pulumi $*" >> "$PULUMI_SITE_DIARY"
[ "$1 $2 $3 $4" = "plugin install resource aws" ] || exit 3
folder="$PULUMI_HOME/plugins/resource-aws-$5"
mkdir -p "$folder"
printf '#!/bin/sh\\n' > "$folder/pulumi-resource-aws"
chmod +x "$folder/pulumi-resource-aws"
CLI
chmod +x "$root/bin/pulumi"
`;

let folder: string;
let env: Record<string, string>;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'lablink-setup-')));
  await chmod(folder, 0o711);
  await writeFile(join(folder, 'install.sh'), INSTALLER);
  env = {
    DATA_DIR: join(folder, 'data'),
    PROVIDER: 'aws',
    HOME: folder,
    NODE_OPTIONS: `--import=${SITE}`,
    PULUMI_SITE_DIARY: join(folder, 'diary'),
  };
});
afterEach(() => rm(folder, { recursive: true }));

const diary = () => readFile(join(folder, 'diary'), 'utf8').catch(() => '');

async function setUp(more: Readonly<Record<string, string>>): Promise<{ code: unknown; said: string }> {
  const program = startProgram(['setup'], { ...env, ...more });
  return { code: await program.ended, said: program.output() };
}

describe('lablink setup', { timeout: 120_000 }, () => {
  test('finds what is there, says so, and asks for nothing', async () => {
    const { pulumiRoot, env: engine } = testEngine();
    const path = `${DOUBLES}:${process.env['PATH'] ?? ''}`;
    const { code, said } = await setUp({ ...engine, PULUMI_CLI_DIR: pulumiRoot, PATH: path });
    expect(said).toContain(`Pulumi and its plugin for AWS are there already: ${pulumiRoot}.`);
    expect(code).toBe(0);
    expect(await diary()).toBe('');
  });

  test('brings both at exactly the versions of the packages; a second run finds them', async () => {
    const first = await setUp({ PULUMI_SITE: join(folder, 'install.sh') });
    expect(first.said).toContain('Pulumi and its plugin for AWS are in place.');
    expect(first.code).toBe(0);
    const root = join(folder, 'data/aws/pulumi');
    const asked = [
      'fetch https://get.pulumi.com/install.sh',
      `install.sh --no-edit-path --install-root ${root} --version 3.260.0`,
      'pulumi plugin install resource aws v7.48.0 --non-interactive',
    ];
    expect((await diary()).trim().split('\n')).toEqual(asked);
    const again = await setUp({ PULUMI_SITE: 'unreachable' });
    expect(again.said).toContain(`are there already: ${root}.`);
    expect(again.code).toBe(0);
    expect((await diary()).trim().split('\n')).toEqual(asked);
  });

  test('without a network says what could not be downloaded, what to bring, and where to put it; done so, both are found', async () => {
    const { code, said } = await setUp({ PULUMI_SITE: 'unreachable' });
    expect(code).toBe(1);
    expect(said).toMatch(/could not be downloaded \(.*https:\/\/get\.pulumi\.com\/install\.sh.*fetch failed/);
    expect(said).toContain(`pulumi-v3.260.0-${process.platform}-${process.arch}.tar.gz`);
    expect(said).toContain(join(folder, 'data/aws/pulumi/bin'));
    expect(said).toMatch(/pulumi-resource-aws-v7\.48\.0-[a-z]+-(amd64|arm64)\.tar\.gz/);
    expect(said).toContain(join(folder, 'data/aws/pulumi-home/plugins/resource-aws-v7.48.0'));
    expect(await readdir(join(folder, 'data/aws'))).not.toContain('pulumi');
    await broughtByHand();
    const again = await setUp({ PULUMI_SITE: 'unreachable' });
    expect(again.said).toContain('are there already');
    expect(again.code).toBe(0);
  });

  /** Both, where it said. */
  async function broughtByHand(): Promise<void> {
    const bin = join(folder, 'data/aws/pulumi/bin');
    const plugin = join(folder, 'data/aws/pulumi-home/plugins/resource-aws-v7.48.0');
    for (const [where, name, content] of [
      [bin, 'pulumi', '#!/bin/sh\necho v3.260.0\n'],
      [plugin, 'pulumi-resource-aws', '#!/bin/sh\n'],
    ] as const) {
      await mkdir(where, { recursive: true });
      await writeFile(join(where, name), content, { mode: 0o755 });
    }
  }
});
