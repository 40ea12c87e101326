import { describe, expect, test, vi } from 'vitest';
import { requirePart } from '../support/required.ts';

describe('a part that tests need', () => {
  test('a part that is installed is used', () => {
    expect(requirePart('A browser', true, 'Install one.', { CI: 'true' })).toBe(true);
  });

  test('a missing part is reported in one line on a laptop', () => {
    const print = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    expect(requirePart('A browser', false, 'Install one.', {})).toBe(false);
    expect(print.mock.calls).toEqual([
      ['skipped: A browser is missing, so its tests cannot run. Install one.'],
    ]);
    print.mockRestore();
  });

  test('a missing part fails CI', () => {
    expect(() => requirePart('A browser', false, 'Install one.', { CI: 'true' })).toThrow('Install one.');
  });
});
