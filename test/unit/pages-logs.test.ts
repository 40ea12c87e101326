import { describe, expect, test } from 'vitest';
import { renderInstanceLogs } from '../../src/pages/instance-logs.ts';
import { looksLikeError } from '../../src/vms/log-errors.ts';
import { textOf } from '../support/page-models.ts';

describe('the logs page', () => {
  const lines = ['a', '', 'b <c>'].map((text) => ({ text, isError: false }));
  const logs = { hostname: 'vm-1', status: 'running', lines, older: 0, linesCut: 0, after: 41 } as const;

  test('the log page shows the lines as they are, numbered from the first that the machine sent', () => {
    const html = renderInstanceLogs({ ...logs, older: 7, linesCut: 12 });
    expect(html).toContain(
      '<div class="line" data-n="20">a</div><div class="line" data-n="21"></div><div class="line" data-n="22">b &lt;c&gt;</div>',
    );
    expect(html).toContain('data-next="23"');
    expect(html).toContain('data-after="41"');
    expect(textOf(html)).toContain('7 earlier lines are not shown.');
  });

  test('the log page marks lines that look like errors', () => {
    const html = renderInstanceLogs({ ...logs, lines: [{ text: 'it failed', isError: true }] });
    expect(html).toContain('<div class="line" data-n="1" data-error>it failed</div>');
  });

  test('the log page has a download, and a refresh link without JavaScript', () => {
    const html = renderInstanceLogs(logs);
    expect(html).toContain('href="/api/v1/vms/vm-1/logs.txt" download>');
    expect(html).toMatch(/<noscript>.*href="\/admin\/logs\/vm-1">Refresh</);
  });

  test('the log page says how many lines were dropped', () => {
    expect(textOf(renderInstanceLogs({ ...logs, linesCut: 12 }))).toContain(
      'The 12 oldest lines were dropped',
    );
    expect(textOf(renderInstanceLogs({ ...logs, linesCut: 1 }))).toContain('The oldest line was dropped');
  });

  test('the log page says why there are no lines', () => {
    expect(renderInstanceLogs({ ...logs, lines: [], status: 'initializing' })).toContain(
      'because the machine is still starting. New lines appear here automatically.',
    );
    expect(renderInstanceLogs({ ...logs, lines: [] })).toContain(
      'This machine has not sent any log lines yet.',
    );
    expect(renderInstanceLogs(logs)).toContain('role="status" data-state></p>');
  });
});

describe('a log line', () => {
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
  ])('the line "%s" looks like an error', (line) => {
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
  ])('the line "%s" does not look like an error', (line) => {
    expect(looksLikeError(line)).toBe(false);
  });
});
