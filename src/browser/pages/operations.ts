// Keeps the row of the operation that runs up to date, until the operation has ended.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import { operationStatusLabels } from '../../pages/operation-labels.ts';
import { sayDuration } from '../../pages/spans.ts';
import { dataOf, find, need, setText } from '../dom.ts';
import { followStream } from '../event-stream.ts';

const row = find(HTMLTableRowElement, 'tr[data-active]');
if (row) {
  const close = followStream(`/api/v1/operations/${dataOf(row, 'id')}/events`, {
    operation: (data) => show(row, readAnswer('Operation', data)),
    end: (data) => {
      close();
      show(row, readAnswer('Operation', data));
    },
  });
}

function show(place: HTMLElement, operation: Schema<'Operation'>): void {
  const { status, message, started_at: startedAt, requested_at: requestedAt, ended_at: endedAt } = operation;
  const badge = need(HTMLElement, '.status', place);
  badge.dataset['status'] = status;
  setText(badge, operationStatusLabels[status]);
  setText(need(HTMLElement, '[data-message]', place), message);
  const until = endedAt ?? new Date().toISOString();
  setText(need(HTMLElement, '[data-took]', place), sayDuration(startedAt ?? requestedAt, until));
}
