// The table that a run prints at its end, in Markdown.
import type { Row } from './measurement.ts';

const COLUMNS = ['What', 'Measured', 'Goal', '', 'How'] as const;

export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map(({ what, measured, goal, verdict, remark }) => [
    what,
    measured,
    goal,
    verdict,
    remark,
  ]);
  const widths = COLUMNS.map((title, column) =>
    Math.max(3, title.length, ...cells.map((row) => row[column]!.length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(COLUMNS), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}
