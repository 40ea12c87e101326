import { expect, test } from 'vitest';
import { createLog } from '../../src/log.ts';
import { consoleLines, logDestination } from '../../src/log/console.ts';

function linesOf(write: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = [];
  const output = { write: (text: string) => lines.push(text) };
  write(createLog({ level: 'info', destination: consoleLines(output) }));
  return lines;
}

test('a log line for the terminal has the time, the level, the message and the fields', () => {
  const [line] = linesOf((log) => log.info({ hostname: 'vm-1', ms: 12 }, 'The machine is running.'));
  expect(line).toMatch(/^\d\d:\d\d:\d\d INFO {2}The machine is running\. hostname="vm-1" ms=12\n$/);
});

test('a log line for the terminal has the message of an error but not its stack', () => {
  const [line] = linesOf((log) => log.error({ err: new Error('no route') }, 'The listener failed.'));
  expect(line).toMatch(/ ERROR The listener failed\. \(no route\)\n$/);
});

test('a log line for the terminal contains no secret and cuts long fields', () => {
  const [line = ''] = linesOf((log) => log.warn({ password: 'hunter2', text: 'x'.repeat(500) }, 'Careful.'));
  expect(line).not.toContain('hunter2');
  expect(line.length).toBeLessThan(300);
});

test('a log line for the terminal names the request only where something is wrong', () => {
  const [fine, wrong] = linesOf((log) => {
    log.info({ request_id: 'abc1' }, 'A request was answered.');
    log.error({ request_id: 'abc1' }, 'The handler failed.');
  });
  expect(fine).not.toContain('abc1');
  expect(wrong).toContain('request_id="abc1"');
});

test('LOG_FORMAT decides about text or JSON; without it, text is for a terminal', () => {
  const isText = (format: 'json' | 'text' | undefined, isTTY: boolean): boolean =>
    'destination' in logDestination(format, { isTTY, write: () => true });
  expect([isText(undefined, true), isText(undefined, false)]).toEqual([true, false]);
  expect([isText('text', false), isText('json', true)]).toEqual([true, false]);
});
