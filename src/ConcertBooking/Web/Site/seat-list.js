// The seats as a list: grade, section, row, seat. It alone is enough to buy, by keyboard or with a screen reader.
import { h, setText } from './dom.js';
import { money, t } from './i18n.js';
import { stateWords } from './seat-words.js';

const seatsOfLine = 25, linesOfBlock = 40;

export class SeatList {
  #cells = new Map();
  #counts = [];

  /** @param {{hall, feed, selection, onToggle: (seat) => void}} parts */
  constructor(parts) {
    Object.assign(this, parts);
    const { grades } = this.hall.plan;
    const sections = this.hall.sections;
    this.element = h('div', { class: 'seat-list' },
      grades.length <= 1
        ? this.#sections(sections)
        : grades.map(({ grade, price }) => {
          const own = sections.filter(section => section.grade === grade);
          return own.length === 0 ? null : this.#fold(
            [grade, money(price)].filter(Boolean).join(' · '), own.flatMap(section => seatsOf(section)), () => this.#sections(own));
        }));
  }

  /** Shows the seats that changed; null: all of them. */
  update(seatNos) {
    (seatNos ?? this.#cells.keys()).forEach(seatNo => this.#show(seatNo));
    this.#counts.forEach(show => show());
  }

  #sections(sections) {
    return sections.length === 1 && !sections[0].name
      ? this.#blocks(sections[0])
      : sections.map(section => this.#fold(section.name, seatsOf(section), () => this.#blocks(section)));
  }

  /** A part that is built when it is first opened. */
  #fold(title, seats, build) {
    const count = h('span', { class: 'count' });
    const show = () => setText(count, t('list.free', { n: seats.filter(seat => this.feed.state(seat.seatNo) === 'A').length }));
    this.#counts.push(show);
    show();
    const details = h('details', null, h('summary', null, h('span', null, title), ' ', count));
    details.addEventListener('toggle', () => details.append(...build()), { once: true });
    return details;
  }

  #blocks(section) {
    const lines = section.rows.flatMap(row => chunk(row.seats, seatsOfLine).map(seats => ({ row, seats })));
    if (lines.length <= linesOfBlock) {
      return [this.#grid(section, lines)];
    }

    return chunk(lines, linesOfBlock).map(part => {
      const [first, last] = [part[0].seats[0], part.at(-1).seats.at(-1)];
      const title = first.row.name && first.row !== last.row
        ? t('list.rows', { from: first.row.name, to: last.row.name }) : t('list.seats', { from: first.label, to: last.label });
      return this.#fold(title, part.flatMap(line => line.seats), () => [this.#grid(section, part)]);
    });
  }

  /** One stop for the Tab key; arrow keys lead from seat to seat. */
  #grid(section, lines) {
    const rows = lines.map(line => line.seats.map(seat => this.#cell(seat)));
    const name = section.name || t('list.label');
    const grid = h('div', { class: 'seat-grid', role: 'grid', 'aria-label': name, 'aria-multiselectable': 'true' },
      lines.map((line, index) => h('div', { role: 'row', class: 'seat-row' },
        line.row.name ? h('span', { role: 'rowheader', class: 'row-name' }, t('seat.row', { row: line.row.name })) : null, rows[index])));
    const free = rows.flat().find(cell => this.feed.state(cell.seat.seatNo) === 'A') ?? rows[0][0];
    free.tabIndex = 0;
    grid.addEventListener('keydown', event => this.#key(event, rows));
    grid.addEventListener('click', event => {
      const cell = event.target.closest('[role=gridcell]');
      if (cell) {
        this.#enter(cell, rows);
        this.onToggle(cell.seat);
      }
    });
    return grid;
  }

  #cell(seat) {
    const cell = h('div', { role: 'gridcell', class: 'seat', tabIndex: -1 }, h('span', { 'aria-hidden': 'true' }, seat.label));
    cell.seat = seat;
    this.#cells.set(seat.seatNo, cell);
    this.#show(seat.seatNo);
    return cell;
  }

  #show(seatNo) {
    const cell = this.#cells.get(seatNo);
    if (!cell) {
      return;
    }

    const letter = this.feed.state(seatNo);
    const chosen = this.selection.has(seatNo);
    cell.dataset.state = chosen ? 'chosen' : letter;
    cell.setAttribute('aria-selected', String(chosen));
    cell.setAttribute('aria-disabled', String(!chosen && letter !== 'A'));
    // The section is the grid's name. What is seen comes first, so that it can be said to a voice control.
    const { label, row } = cell.seat;
    const name = [label, row.name && t('seat.row', { row: row.name }), chosen ? t('seat.chosen') : stateWords(letter)];
    cell.setAttribute('aria-label', name.filter(Boolean).join(', '));
  }

  #key(event, rows) {
    const at = rows.findIndex(row => row.includes(event.target));
    if (at < 0) {
      return;
    }

    const column = rows[at].indexOf(event.target);
    const [row, last] = [rows[at], rows.length - 1];
    const target = {
      ArrowLeft: row[column - 1], ArrowRight: row[column + 1], Home: row[0], End: row.at(-1),
      ArrowUp: rows[Math.max(0, at - 1)][column] ?? rows[Math.max(0, at - 1)].at(-1),
      ArrowDown: rows[Math.min(last, at + 1)][column] ?? rows[Math.min(last, at + 1)].at(-1),
    }[event.key];
    if (target) {
      this.#enter(target, rows);
      target.focus();
    } else if (event.key === ' ' || event.key === 'Enter') {
      this.onToggle(event.target.seat);
    } else if (!event.key.startsWith('Arrow')) {
      return;
    }

    event.preventDefault();
  }

  #enter(cell, rows) {
    rows.flat().forEach(other => { other.tabIndex = other === cell ? 0 : -1; });
  }
}

const seatsOf = section => section.rows.flatMap(row => row.seats);

function chunk(items, size) {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));
}
