import { describe, expect, test } from 'vitest';
import { renderInstanceLogs } from '../../src/pages/instance-logs.ts';
import { words } from '../../src/pages/words.ts';
import { looksLikeError } from '../../src/vms/log-errors.ts';
import { textOf } from '../support/page-models.ts';

describe('the logs page', () => {
  const lines = ['a', '', 'b <c>'].map((text) => ({ text, isError: false }));
  const logs = { hostname: 'vm-1', status: 'running', lines, older: 0, linesCut: 0, after: 41 } as const;

  test('shows the lines as they are, numbered from the first that the machine sent', () => {
    const html = renderInstanceLogs({ ...logs, older: 7, linesCut: 12 });
    expect(html).toContain(
      '<div class="line" data-n="20">a</div><div class="line" data-n="21"></div><div class="line" data-n="22">b &lt;c&gt;</div>',
    );
    expect(html).toContain('data-next="23"');
    expect(html).toContain('data-after="41"');
    expect(textOf(html)).toContain('7 earlier lines are not shown.');
  });

  test('marks what looks like an error', () => {
    const html = renderInstanceLogs({ ...logs, lines: [{ text: 'it failed', isError: true }] });
    expect(html).toContain('<div class="line" data-n="1" data-error>it failed</div>');
  });

  test('has a file to download, and a way to refresh where there is no JavaScript', () => {
    const html = renderInstanceLogs(logs);
    expect(html).toContain('href="/api/v1/vms/vm-1/logs.txt" download>');
    expect(html).toMatch(/<noscript>.*href="\/admin\/logs\/vm-1">Refresh</);
  });

  test('tells how many lines were cut', () => {
    expect(textOf(renderInstanceLogs({ ...logs, linesCut: 12 }))).toContain(
      'The 12 oldest lines were dropped',
    );
    expect(textOf(renderInstanceLogs({ ...logs, linesCut: 1 }))).toContain('The oldest line was dropped');
  });

  test('says why there are none', () => {
    expect(renderInstanceLogs({ ...logs, lines: [], status: 'initializing' })).toContain(words.logs.notYet);
    expect(renderInstanceLogs({ ...logs, lines: [] })).toContain(words.logs.empty);
    expect(renderInstanceLogs(logs)).toContain('role="status" data-state></p>');
  });
});

describe('a line', () => {
  test.each([
    'ERROR: no space left on device',
    '2026-11-25T01:48:07.237Z ERROR could not report',
    'Traceback (most recent call last):',
    'ValueError: bad input',
    'E: Unable to locate package foo',
    'bash: nvidia-smi: command not found',
    'Failed to start docker.service',
    'panic: runtime error: index out of range',
    'connect ETIMEDOUT: connection timed out',
    'curl: (7) Failed to connect',
    'Permission denied (publickey)',
    '{"level":"error","msg":"it broke"}',
  ])('looks like an error: %s', (line) => {
    expect(looksLikeError(line)).toBe(true);
  });

  test.each([
    'Starting cloud-init...',
    'done',
    '0 errors, 0 warnings',
    'Finished without errors.',
    'INFO error reporting is on',
    '2026-11-25T01:48:07.237Z INFO reported start-up timings: 0 failed',
    'level=info msg="retry if it fails"',
    '{"level":"info","msg":"errors=3"}',
    'exit code 0, failed=0',
    'mirror of terrorform',
    '',
  ])('does not look like one: %s', (line) => {
    expect(looksLikeError(line)).toBe(false);
  });
});
