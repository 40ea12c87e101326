// The legend of a chart: a swatch for every layer, and its value where the pointer is.
import type uPlot from 'uplot';
import { make, need } from './dom.ts';

export type Layer = {
  readonly name: string;
  readonly stroke: string;
  /** Null for a line. */
  readonly fill: string | null;
  readonly isDashed: boolean;
  /** As the table has them; null = not known. */
  readonly values: readonly (number | null)[];
};

/** What each colour means. */
export function showLegend(figure: HTMLElement, layers: readonly Layer[]): void {
  const legend = need(HTMLElement, '[data-legend]', figure);
  legend.replaceChildren(...layers.map(legendItem), make('span', '', { className: 'at' }));
}

function legendItem({ name, fill, stroke, isDashed }: Layer): HTMLElement {
  const item = make('span', '', { className: 'item' });
  const swatch = make('canvas', '', { width: 28, height: 16 });
  const context = contextOf(swatch);
  context.strokeStyle = stroke;
  if (fill !== null) {
    context.fillStyle = fill;
    context.fillRect(0, 0, 28, 16);
  } else {
    context.lineWidth = 3;
    if (isDashed) context.setLineDash([8, 5]);
    context.beginPath();
    context.moveTo(0, 8);
    context.lineTo(28, 8);
    context.stroke();
  }
  item.append(swatch, make('span', name), make('b', '', { className: 'value' }));
  return item;
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser draws no canvas');
  return context;
}

export type Wording = {
  /** What stands at this index of the x axis. */
  readonly at: (index: number) => string;
  readonly value: (value: number | null) => string;
};

/** Shows the values where the pointer is; none where it is elsewhere. */
export function showValues(plot: uPlot, layers: readonly Layer[], { at, value }: Wording): void {
  const legend = plot.root.closest('figure')?.querySelector('[data-legend]');
  if (!legend) return;
  const { idx: index = null, left = -1 } = plot.cursor;
  const isOver = index !== null && left >= 0;
  const places = legend.querySelectorAll('.value');
  for (const [number, layer] of layers.entries()) {
    const place = places[number];
    if (place) place.textContent = isOver ? value(layer.values[index] ?? null) : '';
  }
  const place = legend.querySelector('.at');
  if (place) place.textContent = isOver ? at(index) : '';
}
