// What `lablink help` says of each command -> docs/commands.md.
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { commands, EXIT_CODES } from '../src/app/console.ts';
import type { GeneratedFile } from './contract.ts';

const INTRODUCTION = `# Commands

Written by \`make codegen\` from \`src/app/console.ts\`; do not edit.

\`lablink\` is \`bin/lablink\` in a checkout and in an installation. \`lablink help <command>\` prints what stands here. Settings are environment
variables and the config file ([configuration.md](configuration.md)).

**${EXIT_CODES}**
`;

export async function commandsFile(): Promise<GeneratedFile> {
  const sections = commands.map(({ name, lines: [what = '', ...options], more }) =>
    [
      `## lablink ${name}`,
      `${what.charAt(0).toUpperCase()}${what.slice(1)}.`,
      ...(options.length > 0 ? [`\`\`\`\n${options.join('\n')}\n\`\`\``] : []),
      ...more,
    ].join('\n\n'),
  );
  return {
    path: fileURLToPath(new URL('../docs/commands.md', import.meta.url)),
    text: await format([INTRODUCTION, ...sections].join('\n\n'), { parser: 'markdown' }),
  };
}
