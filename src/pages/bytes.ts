// Sizes for people. Pure.

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;
const STEP = 1_000;

/** `1 byte`, `512 bytes`, `3.4 MB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= STEP && unit < UNITS.length - 1) [value, unit] = [value / STEP, unit + 1];
  if (unit === 0) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit] ?? ''}`;
}

export function countFiles(files: number): string {
  return files === 1 ? '1 file' : `${files} files`;
}
