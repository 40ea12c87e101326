// What `lablink help config` prints: every setting, from the schema.
import { configSchema } from './schema.ts';
import { listSettings, type Setting } from './setting.ts';

/** Every setting with its meaning, default and range, by section. */
export function renderSettings(): string {
  const sections = [...Map.groupBy(listSettings(configSchema), ({ section }) => section)];
  const parts = sections.map(([title, listed]) =>
    [title, ...listed.map(({ setting }) => `\n${renderSetting(setting)}`)].join('\n'),
  );
  return `${parts.join('\n\n\n').replaceAll('`', '')}\n`;
}

function renderSetting({ env, file, meaning, accepts, unit, ...setting }: Setting): string {
  const key = file === undefined ? '' : `config file: ${file}`;
  const fallback = setting.default?.toString() ?? setting.otherwise;
  const facts = [
    accepts,
    ...(unit === undefined ? [] : [`unit: ${unit}`]),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
    ...(env === undefined || file === undefined ? [] : [key]),
  ];
  return `  ${env ?? key}\n      ${meaning}\n      ${facts.join('; ')}`;
}
