// The seat map: what is in view, and what pointer and keyboard do. Screen readers get a grid of which they hear the cell under the cursor.
import { h, setText } from './dom.js';
import { t } from './i18n.js';
import { Painter } from './map-paint.js';
import { seatName } from './seat-words.js';

const margin = 2.5; // around the hall, in its units
const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class SeatMap {
  #pointers = new Map();
  #painter = new Painter(this);
  #frame = 0;
  #cursor = null;
  #moved = 0;

  /** @param {{hall, feed, selection, onToggle: (seat) => void, signal}} parts */
  constructor(parts) {
    Object.assign(this, parts);
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.tip = h('div', { class: 'map-tip', hidden: true, 'aria-hidden': 'true' });
    this.cells = [0, 1].map(index => h('div', { role: 'gridcell', id: `map-cell-${index}` }));
    this.grid = h('div', {
      class: 'map-surface', role: 'grid', tabIndex: 0, 'aria-label': t('map.label'), 'aria-describedby': 'map-help',
      onkeydown: event => this.#key(event), onfocus: () => this.#focus(), onblur: () => this.#draw(),
    }, this.canvas, h('div', { class: 'visually-hidden', role: 'row' }, this.cells), this.tip);
    const button = (text, key, factor) => h('button', {
      type: 'button', class: 'icon', 'aria-label': t(key), title: t(key), onclick: () => this.#zoom(factor),
    }, text);
    this.element = h('div', { class: 'map' }, this.grid,
      h('div', { class: 'map-buttons' }, button('+', 'map.in', 1.6), button('−', 'map.out', 1 / 1.6), button('⤢', 'map.fit', 0)),
      h('p', { id: 'map-help', class: 'visually-hidden' }, t('map.help')));
    this.#listen();
  }

  /** Draws the seats that changed; null: all of them. */
  update(seatNos) {
    this.#painter.update(seatNos);

    this.#sayCursor(false);
    this.#draw();
  }

  #listen() {
    const resize = new ResizeObserver(() => this.#resize());
    const surface = this.grid;
    resize.observe(surface);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.update(null), { signal: this.signal });
    this.signal.addEventListener('abort', () => resize.disconnect());
    surface.addEventListener('pointerdown', event => this.#down(event));
    surface.addEventListener('pointermove', event => this.#move(event));
    surface.addEventListener('pointerup', event => this.#up(event));
    surface.addEventListener('pointercancel', event => this.#pointers.delete(event.pointerId));
    surface.addEventListener('pointerleave', () => { this.tip.hidden = true; });
    // A plain wheel scrolls the page; with Ctrl, which is also what a pinch on a trackpad sends, it zooms.
    surface.addEventListener('wheel', event => {
      if (event.ctrlKey) {
        event.preventDefault();
        this.#zoom(Math.exp(-event.deltaY / 200), this.#point(event));
      }
    }, { passive: false });
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.grid;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    const wasFit = !this.scale || this.scale === this.fitScale;
    [this.width, this.height] = [width, height];
    [this.canvas.width, this.canvas.height] = [Math.round(width * this.ratio), Math.round(height * this.ratio)];
    this.fitScale = this.#scaleToFit();
    wasFit && this.#fit();
    this.#draw();
  }

  #scaleToFit() {
    const { hall } = this;
    return Math.min(this.width / (hall.right - hall.left + 2 * margin), this.height / (hall.bottom - hall.stage.y + 2 * margin), 60);
  }

  #fit() {
    const { hall } = this;
    this.#setScale(this.fitScale);
    this.x = this.width / 2 - (hall.left + hall.right) / 2 * this.scale;
    this.y = this.height / 2 - (hall.stage.y + hall.bottom) / 2 * this.scale;
  }

  #setScale(scale) {
    if (this.scale !== scale) {
      this.scale = scale;
      this.#painter.update(null);
    }

    // While all of it is in view a finger scrolls the page; zoomed in, it moves the hall.
    this.grid.style.touchAction = scale > this.fitScale ? 'none' : 'pan-y';
  }

  #zoom(factor, [x, y] = [this.width / 2, this.height / 2]) {
    const scale = Math.max(this.fitScale, Math.min(80, this.scale * factor));
    const applied = scale / this.scale;
    this.x = x - (x - this.x) * applied;
    this.y = y - (y - this.y) * applied;
    this.#setScale(scale);
    this.#clamp();
    this.#draw();
  }

  #clamp() {
    const { hall } = this;
    const within = (offset, from, to, size) => Math.min(Math.max(offset, size * 0.6 - to * this.scale), size * 0.4 - from * this.scale);
    if (this.scale === this.fitScale) {
      this.#fit();
    } else {
      this.x = within(this.x, hall.left, hall.right, this.width);
      this.y = within(this.y, hall.stage.y, hall.bottom, this.height);
    }
  }

  #point(event) {
    const box = this.grid.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #seatAt([x, y]) {
    return this.hall.at((x - this.x) / this.scale, (y - this.y) / this.scale, Math.max(0.6, 10 / this.scale));
  }

  #down(event) {
    this.#pointers.set(event.pointerId, this.#point(event));
    this.#moved = 0;
    this.grid.setPointerCapture(event.pointerId);
  }

  #move(event) {
    const point = this.#point(event);
    const before = this.#pointers.get(event.pointerId);
    if (!before) {
      this.#hover(point);
      return;
    }

    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, point);
    this.#moved += Math.hypot(point[0] - before[0], point[1] - before[1]);
    if (other) {
      const apart = p => Math.hypot(p[0] - other[0], p[1] - other[1]);
      this.#zoom(apart(point) / (apart(before) || 1), [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2]);
    } else if (this.scale > this.fitScale && this.#moved > 4) {
      this.x += point[0] - before[0];
      this.y += point[1] - before[1];
      this.#clamp();
      this.#draw();
    }
  }

  #up(event) {
    const point = this.#point(event);
    const click = this.#pointers.delete(event.pointerId) && this.#moved < 8 && this.#pointers.size === 0;
    const seat = click ? this.#seatAt(point) : null;
    if (!seat) {
      return;
    }

    // A fingertip covers several small seats: the first touch only shows them larger.
    if (event.pointerType === 'touch' && this.scale * 0.5 < 20) {
      this.#zoom(44 / this.scale, point);
      return;
    }

    this.#cursor = seat;
    this.onToggle(seat);
    this.#sayCursor(false);
  }

  #hover(point) {
    const seat = this.#seatAt(point);
    this.tip.hidden = !seat;
    this.grid.classList.toggle('over-seat', Boolean(seat));
    if (seat) {
      setText(this.tip, seatName(seat, this.feed.state(seat.seatNo)));
      this.tip.style.left = `${Math.min(Math.max(point[0], 90), this.width - 90)}px`;
      this.tip.style.top = `${point[1] > 70 ? point[1] - 14 : point[1] + 60}px`;
    }
  }

  /** Only the keyboard's focus shows the cursor: a click must not move the hall under the pointer. */
  #focus() {
    if (this.grid.matches(':focus-visible')) {
      this.#moveCursor(this.#cursor ?? this.#firstFree());
    }
  }

  #key(event) {
    this.#cursor ??= this.#firstFree();
    if (event.key in steps) {
      this.#moveCursor(this.hall.neighbour(this.#cursor, ...steps[event.key]));
    } else if (event.key === 'Enter' || event.key === ' ') {
      this.onToggle(this.#cursor);
      this.#sayCursor(true);
    } else if (event.key === '+' || event.key === '-') {
      this.#zoom(event.key === '+' ? 1.6 : 1 / 1.6, [this.#cursor.x * this.scale + this.x, this.#cursor.y * this.scale + this.y]);
    } else {
      return;
    }

    event.preventDefault();
    this.#draw();
  }

  #firstFree() {
    return this.hall.seats.find(seat => this.feed.state(seat.seatNo) === 'A') ?? this.hall.seats[0];
  }

  /** Moves the hall as well, so that the seat under the cursor is in view. */
  #moveCursor(seat) {
    this.#cursor = seat;
    this.#sayCursor(true);
    const [x, y] = [this.#cursor.x * this.scale + this.x, this.#cursor.y * this.scale + this.y];
    this.x += Math.max(0, 40 - x) - Math.max(0, x - this.width + 40);
    this.y += Math.max(0, 40 - y) - Math.max(0, y - this.height + 40);
    this.#draw();
  }

  /** Two cells take turns: a screen reader speaks the active one when it changes to another. */
  #sayCursor(moved) {
    if (!this.#cursor) {
      return;
    }

    if (moved) {
      this.cells.reverse();
    }

    const [cell, spare] = this.cells;
    const chosen = this.selection.has(this.#cursor.seatNo);
    setText(cell, seatName(this.#cursor, this.feed.state(this.#cursor.seatNo), chosen));
    cell.setAttribute('aria-selected', String(chosen));
    spare.removeAttribute('aria-selected');
    setText(spare, '');
    this.grid.setAttribute('aria-activedescendant', cell.id);
  }

  #draw() {
    if (!this.#frame && this.width) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#painter.paint(document.activeElement === this.grid ? this.#cursor : null);
      });
    }
  }
}
