// Keeps the row of the operation that runs up to date, until it has ended.
import { sayDuration } from './spans.js';
import { followStream } from './sse.js';

const labels = JSON.parse(document.querySelector('[data-labels]')?.dataset.labels ?? '{}');
const row = document.querySelector('tr[data-active]');
if (row) {
  const end = followStream(`/api/v1/operations/${row.dataset.id}/events`, {
    operation: show,
    end: (operation) => {
      end();
      show(operation);
    },
  });
}

function show({ status, message, started_at, requested_at, ended_at }) {
  const badge = row.querySelector('.status');
  badge.dataset.status = status;
  setText(badge, labels[status]);
  setText(row.querySelector('[data-message]'), message);
  const seconds = Math.max(
    0,
    Math.round((Date.parse(ended_at ?? new Date()) - Date.parse(started_at ?? requested_at)) / 1000),
  );
  setText(row.querySelector('[data-took]'), sayDuration(seconds));
}

function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
