// The legend of a picture: a swatch for every layer, and its value where the pointer is.
import { element } from './elements.js';

/** What each colour and pattern means; with the values where the pointer is. */
export function showLegend(figure, layers) {
  const legend = figure.querySelector('[data-legend]');
  const at = element('span', '', { className: 'at' });
  legend.replaceChildren(...layers.map((layer) => legendItem(layer)), at);
}

function legendItem({ name, fill, stroke, line }) {
  const item = element('span', '', { className: 'item' });
  const swatch = Object.assign(document.createElement('canvas'), { width: 28, height: 16 });
  const context = swatch.getContext('2d');
  if (fill) {
    context.fillStyle = fill;
    context.fillRect(0, 0, 28, 16);
    context.strokeStyle = stroke;
    context.strokeRect(0.5, 0.5, 27, 15);
  } else {
    context.strokeStyle = stroke;
    context.lineWidth = 3;
    if (line === 'dashed') context.setLineDash([8, 5]);
    context.beginPath();
    context.moveTo(0, 8);
    context.lineTo(28, 8);
    context.stroke();
  }
  item.append(swatch, element('span', name), element('b', '', { className: 'value' }));
  return item;
}

export function sayLegend(plot, layers, legendOf, say) {
  const legend = plot.root.closest('figure').querySelector('[data-legend]');
  const index = plot.cursor.idx ?? null;
  const isOver = index !== null && plot.cursor.left >= 0;
  const values = legend.querySelectorAll('.value');
  layers.forEach(({ raw }, at) => {
    if (values[at]) values[at].textContent = isOver ? say(raw[index] ?? null) : '';
  });
  const at = legend.querySelector('.at');
  if (at) at.textContent = isOver ? legendOf(index) : '';
}
