// The lines of a log as elements: in blocks that the browser leaves out of its work while they are out of sight, and bounded.
import { make } from './dom.ts';
import type { Batch } from './waiting-lines.ts';

const LINES_KEPT = 10_000;
const LINES_PER_BLOCK = 200;

/** @param next the number of the line that comes next */
export function createLogLines(log: HTMLElement, next: number) {
  let lines: HTMLElement[] = [...log.querySelectorAll<HTMLElement>('.line')];
  // The server sends one block.
  log.replaceChildren();
  for (const line of lines) place(line);

  function place(line: HTMLElement): void {
    let block = log.lastElementChild;
    if (!isBlock(block) || block.childElementCount >= LINES_PER_BLOCK) {
      block = make('div', '', { className: 'block' });
      log.append(block);
    }
    block.append(line);
    if (line.dataset['error'] !== undefined) block.setAttribute('data-errors', '');
  }

  function skip(count: number): void {
    const note = `${count.toLocaleString()} lines were skipped here: they came faster than this page could show them. The download has them.`;
    log.append(make('p', note, { className: 'skipped' }));
  }

  /** Whole blocks are removed, the oldest first. */
  function trim(): void {
    for (
      let first = log.firstElementChild;
      lines.length > LINES_KEPT && first;
      first = log.firstElementChild
    ) {
      if (isBlock(first)) lines.splice(0, first.childElementCount);
      first.remove();
    }
  }

  return {
    all: (): readonly HTMLElement[] => lines,
    /** The number of the line that comes next. */
    next: (): number => next,
    clear: (): void => {
      lines = [];
      next = 1;
      log.replaceChildren();
    },
    /** Adds them at the end; returns their elements. */
    append: (batches: readonly Batch[]): readonly HTMLElement[] => {
      const added: HTMLElement[] = [];
      for (const { first_number: number, lines: texts, error_indexes: errors } of batches) {
        if (number > next) skip(number - next);
        const wrong = new Set(errors);
        for (const [index, text] of texts.entries()) {
          const line = make('div', text, { className: 'line' });
          line.dataset['n'] = String(number + index);
          if (wrong.has(index)) line.dataset['error'] = '';
          place(line);
          added.push(line);
        }
        next = number + texts.length;
      }
      lines.push(...added);
      trim();
      return added;
    },
  };
}

function isBlock(element: Element | null): element is Element {
  return element?.classList.contains('block') ?? false;
}
