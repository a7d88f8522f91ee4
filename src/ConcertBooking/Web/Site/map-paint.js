// Draws the seat map: all seats once into a bitmap, afterwards only those that changed, so that moving it is one copy.
import { h } from './dom.js';
import { t } from './i18n.js';
import { palette, sprite } from './map-look.js';

const bitmapLimit = 4096; // pixels a side; what is larger is drawn directly, only the part in view

export class Painter {
  #bitmap = null;
  #images = new Map(); // of this scale: one for each look

  /** @param map its `hall`, `feed`, `selection`, `canvas`, `grid`, and what is in view: `scale`, `x`, `y`, `width`, `height`, `ratio` */
  constructor(map) {
    this.map = map;
  }

  /** Seats that changed; null: all. */
  update(seatNos) {
    if (!seatNos) {
      this.#bitmap = null;
      this.#images.clear();
    } else if (this.#bitmap) {
      seatNos.forEach(seatNo => this.map.hall.seat(seatNo) && this.#redraw(this.map.hall.seat(seatNo)));
    }
  }

  paint(cursor) {
    const context = this.map.canvas.getContext('2d');
    const colours = palette(this.map.grid);
    const { hall, scale, ratio } = this.map;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.map.width, this.map.height);
    this.#paintStage(context, colours);
    const size = [hall.right - hall.left + 1, hall.bottom - hall.top + 1].map(length => Math.ceil(length * scale * ratio));
    if (Math.max(...size) <= bitmapLimit) {
      if (!this.#bitmap) {
        this.#bitmap = h('canvas', { width: size[0], height: size[1] });
        const target = this.#bitmap.getContext('2d');
        hall.seats.forEach(seat => this.#stamp(target, seat, ...this.#onBitmap(seat)));
      }

      const [left, top] = [(hall.left - 0.5) * scale + this.map.x, (hall.top - 0.5) * scale + this.map.y];
      context.drawImage(this.#bitmap, left, top, size[0] / ratio, size[1] / ratio);
    } else {
      context.setTransform(1, 0, 0, 1, 0, 0);
      const [left, top] = [-this.map.x / scale, -this.map.y / scale];
      for (const seat of hall.near(left - 1, top - 1, left + this.map.width / scale + 1, top + this.map.height / scale + 1)) {
        this.#stamp(context, seat, (seat.x * scale + this.map.x) * ratio, (seat.y * scale + this.map.y) * ratio);
      }
    }

    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#paintNames(context, colours);
    this.#paintCursor(context, colours, cursor);
  }

  #stamp(context, seat, x, y) {
    const image = this.#image(this.#lookOf(seat));
    context.drawImage(image, Math.round(x - image.width / 2), Math.round(y - image.height / 2));
  }

  #image(look) {
    let image = this.#images.get(look);
    if (!image) {
      image = sprite(this.map.grid, look, this.map.scale * 0.5 * this.map.ratio);
      this.#images.set(look, image);
    }

    return image;
  }

  #lookOf(seat) {
    const state = this.map.feed.ready ? this.map.feed.state(seat.seatNo) : 'B';
    return this.map.selection.has(seat.seatNo) ? 'chosen' : state === 'A' ? seat.section.look : state;
  }

  #onBitmap(seat) {
    const { hall, scale, ratio } = this.map;
    return [(seat.x - hall.left + 0.5) * scale * ratio, (seat.y - hall.top + 0.5) * scale * ratio];
  }

  #redraw(seat) {
    const target = this.#bitmap.getContext('2d');
    const [x, y] = this.#onBitmap(seat);
    const side = this.#image('A0').width;
    target.clearRect(Math.round(x - side / 2), Math.round(y - side / 2), side, side);
    this.#stamp(target, seat, x, y);
  }

  #paintStage(context, colours) {
    const { x, y, width, depth } = this.map.hall.stage;
    const height = Math.max(14, depth * this.map.scale); // room for its name
    const left = (x - width / 2) * this.map.scale + this.map.x;
    const top = (y + depth) * this.map.scale + this.map.y - height;
    context.fillStyle = colours.stage;
    context.beginPath();
    context.roundRect(left, top, width * this.map.scale, height, 6);
    context.fill();
    context.fillStyle = colours.stageText;
    context.font = `600 ${height < 18 ? 9 : 11}px system-ui, sans-serif`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillText(t('map.stage'), left + width * this.map.scale / 2, top + height / 2);
  }

  #paintNames(context, colours) {
    context.font = '600 12px system-ui, sans-serif';
    const small = this.map.scale * 0.5 < 6; // then there is no room before the first row, and the name lies on its section
    for (const section of this.map.hall.sections.filter(item => item.name)) {
      const at = small ? section : section.top;
      const [x, y] = [at.x * this.map.scale + this.map.x, at.y * this.map.scale + this.map.y];
      if (small) {
        const width = context.measureText(section.name).width + 14;
        context.fillStyle = colours.label;
        context.beginPath();
        context.roundRect(x - width / 2, y - 11, width, 22, 11);
        context.fill();
      }

      context.fillStyle = colours.text;
      context.fillText(section.name, x, y);
    }

    if (this.map.scale * 0.5 >= 22) {
      this.#paintLabels(context, colours);
    }
  }

  #paintLabels(context, colours) {
    const [left, top] = [-this.map.x / this.map.scale, -this.map.y / this.map.scale];
    context.font = `${Math.min(13, this.map.scale * 0.17)}px system-ui, sans-serif`;
    for (const seat of this.map.hall.near(left, top, left + this.map.width / this.map.scale, top + this.map.height / this.map.scale)) {
      if (this.map.feed.state(seat.seatNo) === 'A' && !this.map.selection.has(seat.seatNo)) {
        context.fillStyle = colours.onSeat;
        context.fillText(seat.label, seat.x * this.map.scale + this.map.x, seat.y * this.map.scale + this.map.y);
      }

      if (seat === seat.row.seats[0] && seat.row.name) {
        context.fillStyle = colours.text;
        context.fillText(seat.row.name, (seat.x - 0.6) * this.map.scale + this.map.x, seat.y * this.map.scale + this.map.y);
      }
    }
  }

  #paintCursor(context, colours, cursor) {
    if (cursor) {
      const { scale, x, y } = this.map;
      context.strokeStyle = colours.text;
      context.lineWidth = 2.5;
      context.beginPath();
      context.arc(cursor.x * scale + x, cursor.y * scale + y, Math.max(7, scale * 0.32), 0, 7);
      context.stroke();
    }
  }
}
