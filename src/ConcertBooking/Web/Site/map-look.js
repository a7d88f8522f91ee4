// How a seat looks on the map: a small picture for each state and size. States differ in shape, not only in colour.

const names = {
  text: '--text', stage: '--stage', stageText: '--stage-text', onSeat: '--on-seat', quiet: '--seat-quiet', chosen: '--chosen',
  label: '--card',
};
const sprites = new Map();
let colours = null;
let scheme = null;

/** The colours of the style sheet, which are others in the dark. */
export function palette(element) {
  const current = matchMedia('(prefers-color-scheme: dark)').matches;
  if (!colours || scheme !== current) {
    const style = getComputedStyle(element);
    const value = name => style.getPropertyValue(name).trim();
    colours = Object.fromEntries(Object.entries(names).map(([name, property]) => [name, value(property)]));
    colours.grades = [0, 1, 2, 3, 4, 5].map(index => value(`--grade-${index}`));
    scheme = current;
    sprites.clear();
  }

  return colours;
}

/** @param look `A0` to `A5` by grade, `H` held, `S` sold, `B` blocked or unknown, `chosen` */
export function sprite(element, look, pitch) {
  palette(element);
  const side = Math.max(2, Math.round(pitch));
  const key = `${look} ${side}`;
  if (!sprites.has(key)) {
    if (sprites.size > 200) {
      sprites.clear();
    }

    sprites.set(key, draw(look, side, colours));
  }

  return sprites.get(key);
}

function draw(look, side, { grades, quiet, chosen, onSeat }) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const context = canvas.getContext('2d');
  const [middle, radius] = [side / 2, side * (look === 'chosen' ? 0.5 : 0.41)];
  context.lineWidth = Math.max(1, side / 12);
  context.lineCap = 'round';
  const circle = size => {
    context.beginPath();
    context.arc(middle, middle, Math.max(0.7, size), 0, 7);
  };
  const stroke = (...points) => {
    context.beginPath();
    points.forEach(([x, y]) => context.lineTo(middle + x * side, middle + y * side));
    context.stroke();
  };
  if (look === 'chosen') { // a disc with a tick
    context.fillStyle = chosen;
    circle(radius);
    context.fill();
    context.strokeStyle = onSeat;
    context.lineWidth = Math.max(1.2, side / 8);
    stroke([-0.2, 0.02], [-0.05, 0.17], [0.22, -0.15]);
  } else if (look.startsWith('A')) { // a full disc in the colour of its grade
    context.fillStyle = grades[look[1]];
    circle(radius);
    context.fill();
  } else if (look === 'H') { // a ring, half full: it may come back
    context.strokeStyle = context.fillStyle = quiet;
    circle(radius - context.lineWidth / 2);
    context.stroke();
    context.beginPath();
    context.arc(middle, middle, Math.max(0.5, radius - context.lineWidth / 2), 0, Math.PI);
    context.fill();
  } else if (look === 'S') { // a cross
    context.strokeStyle = quiet;
    stroke([-0.2, -0.2], [0.2, 0.2]);
    stroke([0.2, -0.2], [-0.2, 0.2]);
  } else { // a dot
    context.fillStyle = quiet;
    circle(side / 10);
    context.fill();
  }

  return canvas;
}
