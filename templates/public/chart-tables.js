// The numbers of a picture as rows of the table beside it.
import { element } from './elements.js';
import { sayNumber } from './spans.js';
import { localTime } from './times.js';

export function timingRows({ items }, labels) {
  return items.map(({ hostname, timings }) => [
    hostname,
    ...['provisioning_seconds', 'cloud_init_seconds', 'container_seconds', 'total_seconds'].map((key) =>
      timings[key] === null ? labels.timings.unknown : sayNumber(timings[key]),
    ),
  ]);
}

export function stateRows({ items }, labels) {
  const states = Object.keys(labels.stateNames);
  return items.map((item) => {
    const counts = states.map((state) => item[state]);
    return [localTime(item.at), ...counts, counts.reduce((sum, count) => sum + count, 0)];
  });
}

export function assignmentRows({ items }, labels) {
  return items.map(({ at, kind, hostname, assigned_total: assigned, released_total: released }) => [
    localTime(at),
    labels.assignments[what],
    hostname,
    assigned,
    released,
  ]);
}

export function toRow([first, ...rest]) {
  const row = document.createElement('tr');
  row.append(element('th', first, { scope: 'row' }), ...rest.map((cell) => element('td', String(cell))));
  return row;
}
