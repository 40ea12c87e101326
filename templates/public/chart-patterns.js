// Fills that can be told apart without their colour.
const SIZE = 8;

/** A fill for a canvas; `solid` is the colour itself. */
export function paintPattern(name, colour, background) {
  if (name === 'solid') return colour;
  const tile = Object.assign(document.createElement('canvas'), { width: SIZE, height: SIZE });
  const context = tile.getContext('2d');
  context.fillStyle = background;
  context.fillRect(0, 0, SIZE, SIZE);
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.lineWidth = 2.5;
  painters[name](context);
  return context.createPattern(tile, 'repeat');
}

const painters = {
  diagonal: (context) =>
    draw(context, [
      [-2, 2, 2, -2],
      [0, SIZE, SIZE, 0],
      [SIZE - 2, SIZE + 2, SIZE + 2, SIZE - 2],
    ]),
  back: (context) =>
    draw(context, [
      [-2, SIZE - 2, 2, SIZE + 2],
      [0, 0, SIZE, SIZE],
      [SIZE - 2, -2, SIZE + 2, 2],
    ]),
  horizontal: (context) => draw(context, [[0, SIZE / 2, SIZE, SIZE / 2]]),
  vertical: (context) => draw(context, [[SIZE / 2, 0, SIZE / 2, SIZE]]),
  grid: (context) =>
    draw(context, [
      [0, SIZE / 2, SIZE, SIZE / 2],
      [SIZE / 2, 0, SIZE / 2, SIZE],
    ]),
  dots: (context) => {
    context.beginPath();
    context.arc(SIZE / 2, SIZE / 2, 2.6, 0, 2 * Math.PI);
    context.fill();
  },
};

function draw(context, lines) {
  for (const [fromX, fromY, toX, toY] of lines) {
    context.beginPath();
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
    context.stroke();
  }
}
