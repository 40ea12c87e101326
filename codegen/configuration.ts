// The schema of the configuration -> the text of docs/configuration.md and config.example.yaml.
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { stringify } from 'yaml';
import { configSchema } from '../src/config/schema.ts';
import { listSettings, type Setting } from '../src/config/setting.ts';
import type { GeneratedFile } from './contract.ts';

const INTRODUCTION = `# Configuration

Written by \`make codegen\` from \`src/config/schema.ts\`; do not edit.

The allocator needs no configuration to start. Environment variables win over the config file, the config file wins over
the defaults. When the allocator starts, it reports everything that is wrong at once: the key, what is wrong, and what to do.

The config file is \`config.yaml\` in the folder \`config\`, or the file that \`CONFIG_DIR\` and \`CONFIG_NAME\` name. An existing
LabLink config file works unchanged; an unknown key is a warning, with the key that was probably meant.
[\`config.example.yaml\`](../config.example.yaml) is an annotated sample. \`lablink help config\` prints this list.
`;

type Listed = ReturnType<typeof listSettings>[number];
const all = listSettings(configSchema);

export async function configurationFiles(): Promise<GeneratedFile[]> {
  const pathOf = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
  return [
    { path: pathOf('docs/configuration.md'), text: await format(renderDocument(), { parser: 'markdown' }) },
    { path: pathOf('config.example.yaml'), text: renderSample() },
  ];
}

function renderDocument(): string {
  const variables = all.filter(({ setting }) => setting.env !== undefined);
  const keys = all.filter(({ setting }) => setting.file !== undefined);
  return [
    INTRODUCTION,
    '## Environment variables',
    ...sectionsOf(variables).map(([title, listed]) => `### ${title}\n\n${table('Variable', listed)}`),
    '## Keys of the config file',
    table('Key', keys),
  ].join('\n\n');
}

function sectionsOf(listed: readonly Listed[]): [title: string, listed: Listed[]][] {
  return [...Map.groupBy(listed, ({ section }) => section)];
}

function table(kind: 'Variable' | 'Key', listed: readonly Listed[]): string {
  const rows = listed.map(({ setting }) => {
    const { env, file, unit = '', meaning, accepts } = setting;
    const [name, other] = kind === 'Variable' ? [env, file] : [file, env];
    const also =
      other === undefined ? '' : ` ${kind === 'Variable' ? 'Config file' : 'Variable'}: \`${other}\`.`;
    return `| \`${name}\` | ${fallback(setting)} | ${unit} | ${meaning}${also} | ${accepts.replaceAll('|', '\\|')} |`;
  });
  return [`| ${kind} | Default | Unit | Meaning | Value |`, '| --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}

const fallback = ({ default: standard, otherwise = 'none' }: Setting): string =>
  standard === undefined ? otherwise : `\`${standard}\``;

/** Every key, commented out: a line that starts with `#` without a space is a setting. */
function renderSample(): string {
  const listed = all.flatMap(({ setting }) =>
    setting.file === undefined ? [] : [{ ...setting, key: setting.file }],
  );
  const sections = Map.groupBy(listed, ({ key }) => (key.includes('.') ? key.replace(/\..*/, '') : ''));
  const parts = [...sections].map(([section, members]) => {
    const indent = section === '' ? '' : '  ';
    const lines = members.map((setting) =>
      [
        ...commentOf(setting).map((line) => `${indent}# ${line}`),
        `${indent}#${setting.key.replace(/.*\./, '')}: ${yamlOf(setting)}`,
      ].join('\n'),
    );
    return [...(section === '' ? [] : [`${section}:`]), ...lines].join('\n');
  });
  const head = [
    'A sample of the config file, written by `make codegen` from src/config/schema.ts. Copy it to config/config.yaml and',
    'remove the # in front of the keys that you set. Every key is optional; docs/configuration.md has the variables too.',
  ].map((line) => `# ${line}`);
  return `${[head.join('\n'), ...parts].join('\n\n')}\n`;
}

function commentOf(setting: Setting): string[] {
  const { meaning, accepts, unit, env, otherwise } = setting;
  const facts = [
    `${accepts}${unit === undefined || accepts.includes(unit) ? '' : ` (${unit})`}`,
    `default: ${fallback(setting)}`,
    ...(env === undefined ? [] : [`variable: ${env}`]),
  ];
  const comment = [
    meaning,
    ...(otherwise === undefined && setting.default === undefined ? facts.toSpliced(1, 1) : facts),
  ];
  const [first = '', ...rest] = comment;
  return [first, `Value: ${rest.join('; ')}.`].map((line) => line.replaceAll('`', ''));
}

function yamlOf({ example, default: standard }: Setting): string {
  return stringify(example ?? standard, { collectionStyle: 'flow', flowCollectionPadding: false }).trim();
}
