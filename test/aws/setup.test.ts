// `lablink setup`: reports installed tools, installs missing ones with the Automation API, and otherwise says what to install
// by hand. No network: get.pulumi.com is a file.
import { chmod, mkdir, mkdtemp, readFile, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { doublesFolder } from '../support/doubles.ts';
import { testEngine } from '../support/engine.ts';
import { startProgram } from '../support/program.ts';

const SITE = pathToFileURL(join(import.meta.dirname, '../support/pulumi-site.ts')).href;

/** In the place of get.pulumi.com/install.sh: installs a CLI that installs a plugin, and records the calls of both. */
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
    PULUMI_SITE_DIARY: join(folder, 'calls'),
  };
});
afterEach(() => rm(folder, { recursive: true }));

const calls = () => readFile(join(folder, 'calls'), 'utf8').catch(() => '');

async function setUp(more: Readonly<Record<string, string>>): Promise<{ code: unknown; output: string }> {
  const program = startProgram(['setup'], { ...env, ...more });
  return { code: await program.ended, output: program.output() };
}

describe('lablink setup', { timeout: 120_000 }, () => {
  test('lablink setup reports installed tools and downloads nothing', async () => {
    const { pulumiRoot, env: engine } = testEngine();
    const path = `${doublesFolder()}:${process.env['PATH'] ?? ''}`;
    const { code, output } = await setUp({ ...engine, PULUMI_CLI_DIR: pulumiRoot, PATH: path });
    expect(output).toContain(`Pulumi and its plugin for AWS are already installed: ${pulumiRoot}.`);
    expect(code).toBe(0);
    expect(await calls()).toBe('');
  });

  test('lablink setup installs both tools in the versions of the packages, and a second run finds them', async () => {
    const first = await setUp({ PULUMI_SITE: join(folder, 'install.sh') });
    expect(first.output).toContain('Pulumi and its plugin for AWS are installed.');
    expect(first.code).toBe(0);
    const root = join(folder, 'data/aws/pulumi');
    const expectedCalls = [
      'fetch https://get.pulumi.com/install.sh',
      `install.sh --no-edit-path --install-root ${root} --version 3.260.0`,
      'pulumi plugin install resource aws v7.48.0 --non-interactive',
    ];
    expect((await calls()).trim().split('\n')).toEqual(expectedCalls);
    const again = await setUp({ PULUMI_SITE: 'unreachable' });
    expect(again.output).toContain(`are already installed: ${root}.`);
    expect(again.code).toBe(0);
    expect((await calls()).trim().split('\n')).toEqual(expectedCalls);
  });

  test('lablink setup without a network says what to install by hand, and finds it afterwards', async () => {
    const { code, output } = await setUp({ PULUMI_SITE: 'unreachable' });
    expect(code).toBe(1);
    expect(output).toMatch(
      /could not be downloaded \(.*https:\/\/get\.pulumi\.com\/install\.sh.*fetch failed/,
    );
    expect(output).toContain(`pulumi-v3.260.0-${process.platform}-${process.arch}.tar.gz`);
    expect(output).toContain(join(folder, 'data/aws/pulumi/bin'));
    expect(output).toMatch(/pulumi-resource-aws-v7\.48\.0-[a-z]+-(amd64|arm64)\.tar\.gz/);
    expect(output).toContain(join(folder, 'data/aws/pulumi-home/plugins/resource-aws-v7.48.0'));
    expect(await readdir(join(folder, 'data/aws'))).not.toContain('pulumi');
    await installByHand();
    const again = await setUp({ PULUMI_SITE: 'unreachable' });
    expect(again.output).toContain('are already installed');
    expect(again.code).toBe(0);
  });

  async function installByHand(): Promise<void> {
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
