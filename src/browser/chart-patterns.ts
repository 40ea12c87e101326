// Fills that can be told apart without their colour.
import { contextOf } from './chart-legend.ts';
import { make } from './dom.ts';

const SIZE = 8;
const HALF = SIZE / 2;

type Line = readonly [fromX: number, fromY: number, toX: number, toY: number];

const lines = {
  diagonal: [
    [-2, 2, 2, -2],
    [0, SIZE, SIZE, 0],
    [SIZE - 2, SIZE + 2, SIZE + 2, SIZE - 2],
  ],
  back: [
    [-2, SIZE - 2, 2, SIZE + 2],
    [0, 0, SIZE, SIZE],
    [SIZE - 2, -2, SIZE + 2, 2],
  ],
  horizontal: [[0, HALF, SIZE, HALF]],
  vertical: [[HALF, 0, HALF, SIZE]],
  grid: [
    [0, HALF, SIZE, HALF],
    [HALF, 0, HALF, SIZE],
  ],
} as const satisfies Record<string, readonly Line[]>;

export type PatternName = 'solid' | 'dots' | keyof typeof lines;

/** A fill for a canvas; `solid` is the colour itself. */
export function paintPattern(name: PatternName, colour: string, background: string): string | CanvasPattern {
  if (name === 'solid') return colour;
  const tile = make('canvas', '', { width: SIZE, height: SIZE });
  const context = contextOf(tile);
  context.fillStyle = background;
  context.fillRect(0, 0, SIZE, SIZE);
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = 2.5;
  context.beginPath();
  if (name === 'dots') {
    context.arc(HALF, HALF, 2.6, 0, 2 * Math.PI);
    context.fill();
  } else {
    for (const [fromX, fromY, toX, toY] of lines[name]) {
      context.moveTo(fromX, fromY);
      context.lineTo(toX, toY);
    }
    context.stroke();
  }
  return context.createPattern(tile, 'repeat') ?? colour;
}
